"""`cryptosource status`: one line per source, honest about age, and what to do with none."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, text

from cryptosource_cli.main import cli
from cryptosource_store.embedded import embedded_postgres
from cryptosource_store.schema_migration import migrate
from support import postgres as postgres_support
from support.commands import environment
from support.replays import RuledSource, record


@pytest.fixture
def status(database: URL, tmp_path: Path):
    def call(*arguments: str, url: URL | None = database) -> Result:
        return CliRunner(env=environment(url, tmp_path)).invoke(cli, ["status", *arguments])

    return call


def add_source(engine: Engine, name: str, **fields: Any) -> int:
    row = {"uid": name, "namespace": "default", "name": name, "source_type": "csv"} | fields
    names = ", ".join(row)
    values = ", ".join(f":{each}" for each in row)
    statement = text(f"INSERT INTO sources ({names}) VALUES ({values}) RETURNING source_id")
    with engine.begin() as connection:
        return int(connection.scalar(statement, row))


def add_run(engine: Engine, source_id: int, outcome: str, ago: str, **fields: Any) -> None:
    row = {"trigger": "schedule", "reason": "Completed", "next": None} | fields
    statement = text(
        "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status, reason, "
        "started_at, finished_at, next_attempt_at) VALUES (:id, :source_id, 'u', :id, :trigger, "
        ":outcome, :reason, clock_timestamp() - CAST(:ago AS interval), CASE WHEN :outcome <> "
        "'running' THEN clock_timestamp() - CAST(:ago AS interval) END, "
        "clock_timestamp() + CAST(:next AS interval))"
    )
    ids = {"id": str(uuid.uuid4()), "source_id": source_id}
    with engine.begin() as connection:
        connection.execute(statement, {**row, **ids, "outcome": outcome, "ago": ago})


def described(result: Result) -> dict[str, dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return {each["source"]: each for each in json.loads(result.stdout)}


def test_loaded_source_is_shown_with_its_checkpoint(status, database: URL) -> None:
    RuledSource(url=database).load(record("btc"), record("eth"))

    result = status()

    heading, line = result.stdout.splitlines()
    assert heading.split()[:3] == ["SOURCE", "TYPE", "SCHEDULE"]
    assert line.startswith("default/ruled  ruled")
    assert "success (Completed)" in line
    assert "fresh" in line
    assert "seen=1 @2" in line


def test_json_says_the_same_with_all_details(status, database: URL) -> None:
    RuledSource(url=database).load(record("btc"))

    (shown,) = described(status("-o", "json")).values()

    assert shown["records"] == 1
    assert shown["freshness"] == "fresh"
    assert shown["last_run"]["status"] == "success"
    assert shown["last_run"]["trigger"] == "manual"
    assert shown["checkpoint"]["cursor"] == {"seen": 1}
    assert shown["checkpoint"]["records_committed"] == 1
    assert shown["consecutive_failures"] == 0


def test_four_states_of_freshness(status, engine: Engine) -> None:
    limit = {"max_age_seconds": 3600}
    for name, ago in (("new", "59 minutes"), ("old", "61 minutes")):
        add_run(engine, add_source(engine, name, **limit), "success", ago)
    add_source(engine, "never", **limit)
    add_run(engine, add_source(engine, "asleep", suspended=True, **limit), "success", "2 days")

    shown = described(status("-o", "json"))

    assert {name: each["freshness"] for name, each in shown.items()} == {
        "new": "fresh",
        "old": "stale",
        "never": "never loaded",
        "asleep": "suspended",
    }


def test_replay_and_skipped_runs_keep_nothing_fresh(status, engine: Engine) -> None:
    source_id = add_source(engine, "old", max_age_seconds=3600)
    add_run(engine, source_id, "success", "2 hours")
    add_run(engine, source_id, "failure", "1 hour", reason="UpstreamUnreachable")
    add_run(engine, source_id, "success", "1 minute", trigger="replay")
    add_run(engine, source_id, "skipped", "1 second", reason="AlreadyRunning")

    shown = described(status("-o", "json"))["old"]

    assert shown["freshness"] == "stale"
    assert shown["last_run"]["reason"] == "UpstreamUnreachable"
    assert shown["consecutive_failures"] == 1


def test_failures_are_counted_since_the_last_success(status, engine: Engine) -> None:
    source_id = add_source(engine, "bad")
    for outcome, ago in (
        ("failure", "5 hours"),
        ("success", "4 hours"),
        ("failure", "3 hours"),
        ("interrupted", "2 hours"),
    ):
        add_run(engine, source_id, outcome, ago)

    assert described(status("-o", "json"))["bad"]["consecutive_failures"] == 2


def test_next_attempt_respects_what_the_upstream_asked_for(status, engine: Engine) -> None:
    at_once = add_source(engine, "free", schedule="* * * * *", time_zone="Etc/UTC")
    told_to_wait = add_source(engine, "limited", schedule="* * * * *", time_zone="Etc/UTC")
    asleep = add_source(engine, "asleep", schedule="* * * * *", suspended=True)
    add_run(engine, at_once, "success", "1 minute")
    add_run(engine, told_to_wait, "failure", "1 minute", next="3 hours")
    add_run(engine, asleep, "success", "1 minute")

    lines = {line.split()[0]: line for line in status().stdout.splitlines()}

    assert lines["default/limited"].endswith("in 3h")
    assert lines["default/free"].endswith("s")
    assert lines["default/asleep"].endswith("-")


def test_running_source_is_said_to_be_running(status, engine: Engine) -> None:
    add_run(engine, add_source(engine, "busy"), "running", "3 minutes", reason=None)

    line = status().stdout.splitlines()[1]

    assert line.split()[3:5] == ["running", "3m"]


def test_retired_source_is_gone(status, engine: Engine) -> None:
    source_id = add_source(engine, "gone")
    with engine.begin() as connection:
        connection.execute(text("UPDATE sources SET retired_at = clock_timestamp()"))
    assert source_id

    assert described(status("-o", "json")) == {}


def test_empty_database_says_what_to_do(status) -> None:
    result = status()

    assert result.exit_code == 0
    assert "cryptosource up -f samples/" in result.stdout


def test_json_of_an_empty_database_is_json(status) -> None:
    result = status("-o", "json")

    assert json.loads(result.stdout) == []
    assert "cryptosource up -f samples/" in result.stderr


def test_no_database_at_all_is_not_made_by_asking(status, tmp_path: Path) -> None:
    result = status(url=None)

    assert result.exit_code == 0
    assert "cryptosource up -f samples/" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_database_without_schema_is_sent_to_migrate(status, postgres: URL) -> None:
    with postgres_support.database(postgres) as bare:
        result = status(url=bare)

    assert result.exit_code == 75
    assert "cryptosource migrate" in result.stderr


def test_unreachable_database_is_one_line(status, database: URL) -> None:
    result = status(url=database.set(query={"host": "/nonexistent"}))

    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "check DATABASE_URL" in result.stderr


def test_stopped_embedded_server_is_started_and_a_running_one_is_joined(tmp_path: Path) -> None:
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    runner = CliRunner(env=environment(None, tmp_path))
    with embedded_postgres(tmp_path / "postgres") as url:
        migrate(url)
        RuledSource(url=url).load(record("btc"))
        joined = runner.invoke(cli, ["status"])

    started = runner.invoke(cli, ["status"])

    assert "default/ruled" in joined.stdout, joined.output
    assert "default/ruled" in started.stdout, started.output
