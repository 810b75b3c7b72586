"""How a source is costs a few look-ups, however many runs it has behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import URL, Engine, TextClause, text

from cryptosource_store.engine import session_engine
from cryptosource_store.statements.counted_runs import MAX_ATTEMPTS_COUNTED
from cryptosource_store.statements.source_state import (
    OPERATOR_MIRROR,
    SOURCES_HEALTH,
    SOURCES_MEASURED,
    SOURCES_STATUS,
)
from cryptosource_store.statements.web_page import LAST_FAILURE
from support import postgres as postgres_support

SOURCES, RUNS, RECENT = 20, 1_500, 10
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILL = (
    f"""INSERT INTO sources (uid, namespace, name, source_type)
        SELECT 'u' || n, 'crypto', 's' || n, 'x' FROM generate_series(1, {SOURCES}) n""",
    # A trigger would count each run by itself: here they are many, and counted at once below.
    "ALTER TABLE etl_runs DISABLE TRIGGER USER",
    # The first source was interrupted and resumed once, the second fails since it is known.
    f"""INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, attempt, trigger, status,
                              started_at, finished_at)
        SELECT gen_random_uuid(), s, 'u' || s, (n / 2)::text, n % 2 + 1, 'schedule',
               CASE WHEN s = 2 THEN 'failure' WHEN s = 1 AND n = {RUNS - 2} THEN 'interrupted'
                    ELSE 'success' END,
               :now + n * interval '5 min', :now + n * interval '5 min' + interval '2 s'
          FROM generate_series(1, {SOURCES}) s, generate_series(1, {RUNS}) n ORDER BY n""",
    "ALTER TABLE etl_runs ENABLE TRIGGER USER",
    """INSERT INTO etl_run_totals (source_id, status, reason, bucket, runs, seconds, loaded,
                                   unchanged, rejected, last_at)
       SELECT source_id, status, '', 1, count(*), 2 * count(*), 0, 0, 0, max(finished_at)
         FROM etl_runs GROUP BY source_id, status""",
)
EVERY_SOURCE: tuple[tuple[TextClause, dict[str, Any], int], ...] = (
    (SOURCES_HEALTH, {}, 0),
    (SOURCES_STATUS, {}, 0),
    (SOURCES_MEASURED, {"most": 1000}, 0),
    (OPERATOR_MIRROR, {"uids": [f"u{n}" for n in range(1, SOURCES + 1)]}, RECENT),
)
"""Statement, what it binds, runs of each source that it shows."""


@pytest.fixture(scope="module")
def crowded(postgres: URL, migrated_template: str) -> Iterator[Engine]:
    with postgres_support.database(postgres, template=migrated_template) as url:
        engine = session_engine(url, application="cryptosource-test")
        with engine.begin() as connection:
            for statement in FILL:
                bound = {"now": NOW} if ":now" in statement else {}
                connection.execute(text(statement), bound)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        yield engine
        engine.dispose()


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


def read(engine: Engine, statement: TextClause, **bound: Any) -> tuple[int, set[str]]:
    """Return how many rows of `etl_runs` a statement reads, and by what kinds of node."""
    with engine.connect() as connection:
        explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
        (plan,) = connection.scalar(explained, bound)
    scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "etl_runs"]
    rows = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in scans
    )
    return round(rows), {node["Node Type"] for node in scans}


@pytest.mark.parametrize(
    ("statement", "bound", "shown"), EVERY_SOURCE, ids=["health", "status", "metrics", "mirror"]
)
def test_every_source_is_judged_by_its_newest_runs_and_by_those_that_failed_last(
    crowded: Engine, statement: TextClause, bound: dict[str, Any], shown: int
):
    rows, kinds = read(crowded, statement, **bound)

    newest = SOURCES * (1 + shown)
    resumed = RUNS  # of the one that was interrupted, back to a failure that it never had
    assert rows <= newest + MAX_ATTEMPTS_COUNTED + (resumed if shown else 0) + SOURCES
    assert kinds <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}


@pytest.mark.parametrize(("source_id", "most"), [(3, 4), (2, MAX_ATTEMPTS_COUNTED + 4)])
def test_the_last_failure_is_found_at_once_and_not_looked_for_where_there_was_none(
    crowded: Engine, source_id: int, most: int
):
    rows, kinds = read(crowded, LAST_FAILURE, source_id=source_id)

    assert rows <= most
    assert "Seq Scan" not in kinds
