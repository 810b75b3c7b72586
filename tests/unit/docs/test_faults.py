"""docs/faults.md: every fault has a row, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "faults.md").read_text("utf-8")
ROWS = re.findall(r"^\| F(\d+) \|.*\|([^|]*)\|$", TEXT, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+\.py)::(test_\w+)`", TEXT)))
NUMBERS = [*range(1, 16), *range(20, 36), *range(40, 47), *range(50, 65)]


def test_every_fault_has_one_row():
    assert [int(number) for number, _ in ROWS] == NUMBERS


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_a_test_that_is_named_is_there(module: str, name: str):
    assert f"def {name}(" in (ROOT / "tests" / module).read_text("utf-8")


def test_a_row_names_tests_and_nothing_else():
    for number, tests in ROWS:
        rest = re.sub(r"`[a-z0-9_/]+\.py::test_\w+`|\*in part\*", "", tests)
        assert not rest.strip(), f"F{number}"
