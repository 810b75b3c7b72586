"""`cryptosource maintain` as a person and a CronJob call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, text

from cryptosource_cli.main import cli
from cryptosource_store.partitions import ensure_raw_partitions
from cryptosource_store.statements.maintenance import TRY_LOCK
from support import postgres as postgres_support
from support.commands import environment


@pytest.fixture
def maintain(database: URL, tmp_path: Path):
    def call(*arguments: str, url: URL = database) -> Result:
        return CliRunner(env=environment(url, tmp_path)).invoke(cli, ["maintain", *arguments])

    return call


def test_table_says_what_was_done_and_then_that_nothing_is_left(maintain) -> None:
    first, second = maintain(), maintain()

    assert first.exit_code == second.exit_code == 0
    assert first.stdout.splitlines()[1].split()[:4] == ["make", "quotes", "3", "done"]
    assert second.stdout == "Nothing to do.\n"


def test_json_of_a_dry_run_is_a_plan(maintain, engine: Engine) -> None:
    with engine.begin() as connection:
        ensure_raw_partitions(connection, "csv", [(2020, 1)])

    result = maintain("--dry-run", "-o", "json")

    steps = json.loads(result.stdout)["steps"]
    assert {step["result"] for step in steps} == {"planned"}
    assert ("drop", "raw_csv_y2020m01") in [(step["action"], step["table"]) for step in steps]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('raw_csv_y2020m01') IS NOT NULL"))


def test_second_caller_exits_well(maintain, engine: Engine) -> None:
    with engine.connect() as holder:
        holder.scalar(TRY_LOCK)

        result = maintain()

    assert result.exit_code == 0
    assert result.stdout.startswith("Another process is maintaining this database")


@pytest.mark.parametrize("option", ["--raw-days", "--quote-days", "--run-days"])
def test_days_below_one_are_refused(maintain, option: str) -> None:
    result = maintain(option, "0")

    assert result.exit_code == 2
    assert option in result.stderr


def test_role_that_may_not_is_told_in_one_line(maintain, database: URL, engine: Engine) -> None:
    role = f"reader_{database.database}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
        ensure_raw_partitions(connection, "csv", [(2020, 1)])
    try:
        result = maintain(url=database.set(username=role))
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))

    assert result.exit_code == 75
    assert "the role that owns the tables" in result.stderr
    assert result.stderr.count("\n") == 1


def test_database_without_schema_is_sent_to_migrate(maintain, postgres: URL) -> None:
    with postgres_support.database(postgres) as bare:
        result = maintain(url=bare)

    assert result.exit_code == 75
    assert "cryptosource migrate" in result.stderr
