"""Totals of runs count each run once, whatever ends it, and outlive the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import URL, text

from cryptosource_etl.errors import Retryable
from cryptosource_store.engine import session_engine
from cryptosource_store.maintenance import Retention, maintain
from cryptosource_store.reasons import Reason
from cryptosource_store.run_totals import DURATION_BOUNDS
from support.oracle import rows
from support.readers import ScriptedReader, coin
from support.runs import load, make_run

TOTALS = "SELECT status, reason, sum(runs)::int FROM etl_run_totals GROUP BY 1, 2 ORDER BY 1, 2"
COUNTS = "SELECT sum(loaded)::int, sum(unchanged)::int, sum(rejected)::int FROM etl_run_totals"


def insert_run(url: URL, *, seconds: float, status: str = "success", trigger: str = "api") -> None:
    """Insert a source and a run of it that has ended."""
    with session_engine(url, application="test").begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sources (uid, namespace, name, source_type) "
                "VALUES ('u', 'crypto', 'a', 'csv') ON CONFLICT DO NOTHING"
            )
        )
        connection.execute(
            text(
                "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status,"
                " reason, started_at, finished_at, processed, loaded) "
                "SELECT gen_random_uuid(), source_id, 'u', gen_random_uuid()::text, :trigger,"
                " :status, 'Completed', now(), now() + make_interval(secs => :seconds), 5, 5"
                " FROM sources"
            ),
            {"seconds": seconds, "status": status, "trigger": trigger},
        )


def test_each_run_is_counted_once_with_its_records(database: URL) -> None:
    load(database, [coin("a"), coin("b"), coin("c", bad="Negative")])
    load(database, [coin("a"), coin("b")])

    assert rows(database, TOTALS) == [("success", "Completed", 2)]
    assert rows(database, COUNTS) == rows(
        database,
        "SELECT sum(loaded)::int, sum(unchanged)::int, sum(rejected)::int FROM etl_runs",
    )


def test_a_failure_counts_under_its_reason(database: URL) -> None:
    def refuse() -> ScriptedReader:
        raise Retryable(Reason.UPSTREAM_ERROR, "no")

    make_run(database, refuse).execute()

    assert rows(database, TOTALS) == [("failure", "UpstreamError", 1)]


def test_a_run_that_is_found_dead_counts_as_interrupted(database: URL) -> None:
    load(database, [coin("a")])
    with session_engine(database, application="test").begin() as connection:
        connection.execute(
            text(
                "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status) "
                "SELECT gen_random_uuid(), source_id, uid, 'dead', 'schedule', 'running' "
                "FROM sources"
            )
        )

    load(database, [coin("a")])

    assert rows(database, TOTALS) == [
        ("interrupted", "Interrupted", 1),
        ("success", "Completed", 2),
    ]


def test_a_replay_is_no_run_of_the_source(database: URL) -> None:
    insert_run(database, seconds=1, trigger="replay")

    assert rows(database, TOTALS) == []


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (0, 0),
        *((bound, bucket) for bucket, bound in enumerate(DURATION_BOUNDS)),
        *((bound + 0.001, bucket) for bucket, bound in enumerate(DURATION_BOUNDS, start=1)),
    ],
)
def test_a_bound_belongs_to_the_bucket_below_it(database: URL, seconds: float, bucket: int) -> None:
    insert_run(database, seconds=seconds)

    assert rows(database, "SELECT bucket FROM etl_run_totals") == [(bucket,)]


def test_totals_stay_when_retention_deletes_the_runs(database: URL) -> None:
    for _ in range(3):
        insert_run(database, seconds=1)
    with session_engine(database, application="test").begin() as connection:
        connection.execute(text("UPDATE etl_runs SET started_at = started_at - interval '1 year'"))
        connection.execute(
            text(
                "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status,"
                " finished_at) SELECT gen_random_uuid(), source_id, 'u', 'new' || n, 'replay',"
                " 'success', now() FROM sources, generate_series(1, 100) n"
            )
        )
    before = rows(database, TOTALS)

    maintain(database, Retention(), now=datetime.now(UTC) + timedelta(days=1))

    assert rows(database, "SELECT count(*) FROM etl_runs WHERE trigger = 'api'") == [(0,)]
    assert rows(database, TOTALS) == before == [("success", "Completed", 3)]
