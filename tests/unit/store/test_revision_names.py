"""Revisions are numbered without gaps and named for their subject, and so are their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from hack.one_schema import misnamed

from cryptosource_store.schema_migration import head_revision
from support.revisions import copy_scripts


def complaints(folder: Path, revision: str, *, file: str | None = None) -> list[str]:
    """Return what is wrong once a revision follows ours."""
    config = copy_scripts(folder / "alembic")
    path = folder / "alembic" / "versions" / f"{file or revision}.py"
    path.write_text(
        f"revision, down_revision = {revision!r}, {head_revision()!r}\n", encoding="utf-8"
    )
    script = ScriptDirectory.from_config(config)
    return list(misnamed([*reversed([*script.walk_revisions()])]))


def numbered(offset: int) -> str:
    return f"{int(head_revision()[:4]) + offset:04}"


def test_the_next_number_and_a_subject_are_right(tmp_path: Path):
    assert complaints(tmp_path, f"{numbered(1)}_labels") == []


@pytest.mark.parametrize(
    "revision",
    [
        f"{numbered(2)}_a_gap",
        f"{numbered(0)}_the_same_number",
        numbered(1),
        f"{numbered(1)}_Labels",
        f"{numbered(1)}_{'x' * 28}",
        "4b6c1f2e7d80",
    ],
)
def test_another_name_is_told_with_the_right_number(tmp_path: Path, revision: str):
    (complaint,) = complaints(tmp_path, revision)

    assert complaint.startswith(f"revision {revision} must be named {numbered(1)}_subject")


def test_the_file_is_named_as_its_revision(tmp_path: Path):
    name = f"{numbered(1)}_labels"

    assert complaints(tmp_path, name, file="labels") == [
        f"labels.py must be named as its revision, {name}"
    ]
