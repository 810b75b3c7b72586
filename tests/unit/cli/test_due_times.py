"""When sources run next is said once their first runs are shown, and nothing of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cryptosource_cli.display import DueTimes

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def source(name: str) -> Any:
    return SimpleNamespace(key=("default", name))


def test_what_is_learnt_before_the_table_is_shown_behind_it(capsys: pytest.CaptureFixture[str]):
    due = DueTimes()
    due.set_due_time(source("b"), NOON)
    due.set_due_time(source("a"), None)
    assert capsys.readouterr().out == ""

    due.show()

    printed = capsys.readouterr().out
    assert printed == "default/a: suspended\ndefault/b: next run at 2026-11-21 12:00 UTC\n"


def test_what_is_learnt_later_is_said_at_once(capsys: pytest.CaptureFixture[str]):
    due = DueTimes()
    due.show()

    due.set_due_time(source("a"), NOON)

    assert capsys.readouterr().out == "default/a: next run at 2026-11-21 12:00 UTC\n"
