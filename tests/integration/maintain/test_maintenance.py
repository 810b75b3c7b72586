"""Maintenance on a real database: ahead, behind, in nobody's way."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import URL, Engine, text

from cryptosource_store import maintenance
from cryptosource_store.maintenance import MaintenanceReport, Result, Retention, maintain
from cryptosource_store.partitions import ensure_quote_partitions, ensure_raw_partitions
from cryptosource_store.settings import SessionTimeouts
from cryptosource_store.statements.maintenance import TRY_LOCK
from support.oracle import rows
from support.replays import RuledSource, record

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def done(report: MaintenanceReport) -> dict[str, tuple[str, str, int]]:
    return {
        step.action.table: (step.action.kind.value, step.result.value, step.count)
        for step in report.steps
    }


def tables(url: URL) -> set[str]:
    return {name for (name,) in rows(url, "SELECT relname FROM pg_class WHERE relispartition")}


@pytest.fixture
def old_raw(engine: Engine) -> None:
    with engine.begin() as connection:
        ensure_raw_partitions(connection, "csv", [(2026, 9), (2026, 10), (2026, 11)])


def add_runs(engine: Engine, ages: list[timedelta], *, status: str = "success") -> None:
    with engine.begin() as connection:
        source_id = connection.scalar(
            text(
                "INSERT INTO sources (uid, namespace, name, source_type) "
                "VALUES (:uid, 'default', :uid, 'csv') RETURNING source_id"
            ),
            {"uid": str(uuid.uuid4())},
        )
        statement = text(
            "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status, "
            "started_at, finished_at) VALUES (:run_id, :source_id, 'u', :run_id, 'manual', "
            ":status, :at, CASE WHEN :status <> 'running' THEN CAST(:at AS timestamptz) END)"
        )
        for age in ages:
            run = {"run_id": str(uuid.uuid4()), "source_id": source_id, "at": NOW - age}
            connection.execute(statement, {**run, "status": status})


def test_makes_ahead_and_drops_behind(database: URL, old_raw) -> None:
    report = maintain(database, Retention(), now=NOW)

    assert done(report) == {
        "quotes": ("make", "done", 3),
        "raw_csv": ("make", "done", 1),
        "raw_csv_y2026m09": ("drop", "done", 1),
    }
    assert {"quotes_y2027m01", "raw_csv_y2026m12", "raw_csv_y2026m10"} <= tables(database)
    assert "raw_csv_y2026m09" not in tables(database)


def test_second_time_there_is_nothing_to_do(database: URL, old_raw) -> None:
    maintain(database, Retention(), now=NOW)

    assert maintain(database, Retention(), now=NOW).steps == ()


def test_dry_run_tells_the_same_and_changes_nothing(
    database: URL, engine: Engine, old_raw, monkeypatch
) -> None:
    monkeypatch.setattr(maintenance, "RUNS_KEPT", 0)
    add_runs(engine, [timedelta(days=200)] * 3)
    before = tables(database)

    told = maintain(database, Retention(), now=NOW, dry_run=True)

    assert tables(database) == before
    assert len(rows(database, "SELECT 1 FROM etl_runs")) == 3
    assert {step.result for step in told.steps} == {Result.PLANNED}
    assert [(s.action, s.count) for s in told.steps] == [
        (s.action, s.count) for s in maintain(database, Retention(), now=NOW).steps
    ]


def test_quotes_go_only_when_asked(database: URL, engine: Engine) -> None:
    with engine.begin() as connection:
        ensure_quote_partitions(connection, [(2020, 1)])

    maintain(database, Retention(), now=NOW)
    assert "quotes_y2020m01" in tables(database)

    maintain(database, Retention(quote_days=365), now=NOW)
    assert "quotes_y2020m01" not in tables(database)


def test_second_caller_says_so_and_does_nothing(database: URL, engine: Engine) -> None:
    with engine.connect() as holder:
        assert holder.scalar(TRY_LOCK)

        report = maintain(database, Retention(), now=NOW)

    assert report.already_running
    assert not tables(database) & {"quotes_y2026m11"}


def test_table_in_use_is_postponed_and_the_rest_is_done(
    database: URL, engine: Engine, old_raw, monkeypatch
) -> None:
    # One second is the least a session can be given; the default makes the test wait longer.
    monkeypatch.setattr(maintenance, "MAINTENANCE_TIMEOUTS", SessionTimeouts(lock_seconds=1))
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM raw_csv_y2026m09"))

        report = maintain(database, Retention(), now=NOW)

    assert done(report)["raw_csv_y2026m09"] == ("drop", "postponed", 1)
    assert done(report)["quotes"][1] == "done"
    assert "drop" in str(maintain(database, Retention(), now=NOW))


def test_load_goes_on_into_a_month_that_was_made_ahead(database: URL, engine: Engine) -> None:
    source = RuledSource(url=database)
    source.load(record("btc"))
    ahead = datetime.now(tz=UTC) + timedelta(days=1)

    maintain(database, Retention(), now=ahead)

    assert source.load(record("btc", 1, price="2")).exit_code == 0
    assert rows(database, "SELECT count(*) FROM quotes") == [(2,)]


def test_newest_runs_stay_whatever_their_age(database: URL, engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "RUNS_KEPT", 3)
    add_runs(engine, [timedelta(days=200 + number) for number in range(5)])
    add_runs(engine, [timedelta(days=200)])

    report = maintain(database, Retention(), now=NOW)

    assert done(report)["etl_runs"] == ("delete", "done", 2)
    kept = rows(database, "SELECT count(*) FROM etl_runs GROUP BY source_id ORDER BY 1")
    assert kept == [(1,), (3,)]


def test_running_and_recent_runs_stay(database: URL, engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "RUNS_KEPT", 0)
    add_runs(engine, [timedelta(days=200)], status="running")
    add_runs(engine, [timedelta(days=89)])

    maintain(database, Retention(), now=NOW)

    assert len(rows(database, "SELECT 1 FROM etl_runs")) == 2


def test_many_rows_are_deleted_in_portions(database: URL, engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(maintenance, "RUNS_KEPT", 0)
    monkeypatch.setattr(maintenance, "ROWS_PER_DELETE", 2)
    add_runs(engine, [timedelta(days=100)] * 5)

    assert done(maintain(database, Retention(), now=NOW))["etl_runs"][2] == 5


def test_leftover_requests_and_buckets_go(database: URL, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO run_requests (request_id, requested_by, requested_at) "
                "VALUES (gen_random_uuid(), 'old', :old), (gen_random_uuid(), 'new', :new)"
            ),
            {"old": NOW - timedelta(days=91), "new": NOW - timedelta(days=89)},
        )
        connection.execute(
            text("INSERT INTO rate_limits (bucket, arrival) VALUES ('idle', :old), ('used', :new)"),
            {"old": (NOW - timedelta(days=2)).timestamp(), "new": NOW.timestamp()},
        )

    maintain(database, Retention(), now=NOW)

    assert rows(database, "SELECT requested_by FROM run_requests") == [("new",)]
    assert rows(database, "SELECT bucket FROM rate_limits") == [("used",)]


def test_report_is_one_line_for_a_log(database: URL) -> None:
    assert str(maintain(database, Retention(), now=NOW)) == "make 3 of quotes: done"
    assert str(MaintenanceReport()) == "nothing to do"
    assert (
        str(MaintenanceReport(already_running=True))
        == "another process is maintaining the database"
    )


def test_changes_are_kept_for_a_day_and_corrected_quotes_as_long_as_quotes(
    database: URL, engine: Engine
) -> None:
    with engine.begin() as connection:
        for age, version in ((timedelta(hours=25), 1), (timedelta(hours=23), 2)):
            connection.execute(
                text("INSERT INTO data_changes VALUES (:version, :at, 1, '{1}')"),
                {"version": version, "at": NOW - age},
            )
        for days in (11, 9):
            connection.execute(
                text(
                    "INSERT INTO superseded_quotes (asset_id, source_id, observed_at, known_from, "
                    "known_until, run_id, raw_id) "
                    "VALUES (1, 1, :at, :at, :until, gen_random_uuid(), 1)"
                ),
                {"at": NOW - timedelta(days=days), "until": NOW},
            )

    maintain(database, Retention(), now=NOW)
    assert rows(database, "SELECT version FROM data_changes") == [(2,)]
    assert len(rows(database, "SELECT 1 FROM superseded_quotes")) == 2

    maintain(database, Retention(quote_days=10), now=NOW)
    assert rows(database, "SELECT observed_at FROM superseded_quotes") == [
        (NOW - timedelta(days=9),)
    ]


def test_what_was_known_before_the_end_of_a_dropped_month_is_not_claimed_any_more(
    database: URL, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE knowledge SET recorded_since = '2020-01-01'"))
        ensure_quote_partitions(connection, [(2026, 3), (2026, 4)])

    maintain(database, Retention(quote_days=30), now=NOW)

    assert rows(database, "SELECT recorded_since FROM knowledge") == [
        (datetime(2026, 5, 1, tzinfo=UTC),)
    ]
