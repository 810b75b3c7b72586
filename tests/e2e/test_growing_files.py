"""A CSV file between two runs: touched, appended to, replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import URL

from support.manifests import csv, row, write, write_rows
from support.oracle import counts, facts, rows, value

COMMITTED = "SELECT records_committed FROM etl_checkpoints"
LAST_RUN = "SELECT processed, loaded FROM etl_runs ORDER BY started_at DESC LIMIT 1"
STORED = ("quotes", "raw_records", "quotes_latest", "unified")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "coins.csv", map(row, range(1, 26)))


@pytest.fixture
def manifest(tmp_path: Path, file: Path) -> Path:
    return write(tmp_path, csv(file))


@pytest.fixture
def loaded(database: URL, run, manifest: Path, consistent) -> URL:
    """The database after a first run."""
    assert run(manifest).returncode == 0
    assert set(counts(database, *STORED).values()) == {25}
    return database


def test_touched_file_loads_nothing(loaded: URL, run, manifest: Path, file: Path) -> None:
    before = facts(loaded, "checkpoints")
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 3_600_000_000_000))

    ran = run(manifest)

    assert ran.returncode == 0
    assert rows(loaded, LAST_RUN)[0][1] == 0
    assert facts(loaded, "checkpoints") == before


def test_appended_row_is_the_only_one_read(loaded: URL, run, manifest: Path, file: Path) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(row(26) + "\n")

    ran = run(manifest)

    assert "1 loaded, 0 unchanged, 0 rejected" in ran.stdout
    assert set(counts(loaded, *STORED).values()) == {26}
    assert value(loaded, COMMITTED) == 26


def test_half_written_last_line_is_read_again_once_it_is_whole(
    loaded: URL, run, manifest: Path, file: Path
) -> None:
    line = row(26, price="123456.789")
    cut = line.index("3456")
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line[:cut])
    assert run(manifest).returncode in {0, 75}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line[cut:] + "\n")

    ran = run(manifest)

    assert ran.returncode == 0
    price = "SELECT price_usd::text FROM quotes_latest WHERE symbol = 'C26'"
    assert rows(loaded, price) == [("123456.789",)]
    assert rows(loaded, "SELECT reason FROM rejected_records") in ([], [("RaggedRow",)])


def test_replaced_file_is_read_from_its_start(loaded: URL, run, manifest: Path, file: Path) -> None:
    write_rows(file, map(row, range(101, 104)))

    ran = run(manifest)

    assert "3 loaded, 0 unchanged, 0 rejected" in ran.stdout
    assert set(counts(loaded, *STORED).values()) == {28}
    assert value(loaded, COMMITTED) == 3


def test_vanished_file_fails_the_run_and_keeps_what_is_there(
    loaded: URL, run, manifest: Path, file: Path
) -> None:
    before = facts(loaded)
    file.unlink()

    ran = run(manifest)

    assert ran.returncode == 78
    assert "failure (FileNotFound)" in ran.stdout
    assert facts(loaded) == before
