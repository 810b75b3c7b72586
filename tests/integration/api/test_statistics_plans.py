"""Statistics read by index, and no more rows than they judge, whatever the tables hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, TextClause

from cryptosource_store.statements.anomalies import (
    PRICE_JUMPS,
    QUOTES_JUDGED,
    RUN_ANOMALIES,
    RUNS_JUDGED,
)
from cryptosource_store.statements.run_statistics import performance_statement
from support.plans import fill, plan_nodes

SOURCES, RUNS, COINS, QUOTES = 3, 3_000, 40, 2_000
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILL = (
    f"""INSERT INTO sources (uid, namespace, name, source_type)
        SELECT 'u' || n, 'crypto', 's' || n, 'x' FROM generate_series(1, {SOURCES}) n""",
    f"""INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status, started_at,
                              finished_at)
        SELECT gen_random_uuid(), s, 'u' || s, n::text, 'schedule', 'success',
               :now - n * interval '5 min', :now - n * interval '5 min' + interval '2 s'
          FROM generate_series(1, {SOURCES}) s, generate_series(1, {RUNS}) n""",
    f"""INSERT INTO assets (slug, symbol)
        SELECT 'c' || n, 'C' || n FROM generate_series(1, {COINS}) n""",
    """INSERT INTO unified (asset_id, symbol, rank, observed_at, source_id, source_ids)
       SELECT asset_id, symbol, asset_id, :now, 1, '{1}' FROM assets""",
    """INSERT INTO quotes_latest (source_id, external_id, asset_id, observed_at, inferred_time,
                                  run_id, raw_id, digest)
       SELECT 1, slug, asset_id, :now, false, gen_random_uuid(), 1, gen_random_uuid() FROM assets""",
    "SELECT ensure_quote_partitions(ARRAY['2026-10-01', '2026-11-01']::date[])",
    f"""INSERT INTO quotes (asset_id, source_id, observed_at, price_usd, run_id, raw_id, digest)
        SELECT asset_id, 1, :now - n * interval '1 min', 1, gen_random_uuid(), 1, gen_random_uuid()
          FROM generate_series(1, {QUOTES}) n, assets ORDER BY n DESC""",
)
CHOICE: dict[str, Any] = {"source": None, "namespace": None}


@pytest.fixture
def crowded(engine: Engine) -> Engine:
    fill(engine, FILL, now=NOW)
    return engine


def rows_read(
    engine: Engine, statement: TextClause, relation: str, **bound: Any
) -> tuple[int, set[str]]:
    """Return how many rows of a relation a statement reads, and by what kinds of node."""
    scans = [
        node
        for node in plan_nodes(engine, statement, **CHOICE, **bound)
        if node.get("Relation Name", "").startswith(relation) and "Scan" in node["Node Type"]
    ]
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in scans
    )
    return round(read), {node["Node Type"] for node in scans}


def test_performance_reads_the_runs_of_the_buckets_that_are_shown(crowded: Engine):
    bound = {
        "first": NOW - timedelta(hours=240),
        "last": NOW,
        "step": timedelta(hours=1),
        "buckets": 241,
        "size": 10,
    }

    read, kinds = rows_read(crowded, performance_statement(after=False), "etl_runs", **bound)

    assert read == 120  # twelve an hour, in ten of the eleven newest hours; the last is empty
    assert "Seq Scan" not in kinds


def test_runs_are_judged_by_the_newest_of_each_source(crowded: Engine):
    bound = {
        "since": NOW - timedelta(days=7),
        "until": NOW,
        "deviations": 6,
        "size": 50,
    }

    read, kinds = rows_read(crowded, RUN_ANOMALIES, "etl_runs", **bound)

    assert read == SOURCES * RUNS_JUDGED
    assert "Seq Scan" not in kinds


def test_prices_are_judged_by_the_newest_of_the_best_ranked_coins(crowded: Engine):
    bound = {
        "since": NOW - timedelta(days=1),
        "until": NOW,
        "deviations": 6,
        "size": 50,
        "top": 4,
    }

    read, kinds = rows_read(crowded, PRICE_JUMPS, "quotes_y", **bound)

    assert read == 4 * QUOTES_JUDGED
    assert "Seq Scan" not in kinds
