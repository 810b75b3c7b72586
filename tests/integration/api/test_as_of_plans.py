"""What was known at a moment is looked up by key, however much was observed before and since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, TextClause

from cryptosource_store.statements.as_of import COIN_AS_OF, page_as_of
from cryptosource_store.statements.record_pages import PageShape
from support.plans import fill, plan_nodes

SOURCES, COINS, QUOTES, CORRECTED = 2, 200, 100, 20
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILL = (
    f"""INSERT INTO sources (uid, namespace, name, source_type)
        SELECT 'u' || n, 'crypto', 's' || n, 'x' FROM generate_series(1, {SOURCES}) n""",
    f"""INSERT INTO assets (slug, symbol)
        SELECT 'c' || n, 'C' || n FROM generate_series(1, {COINS}) n""",
    """INSERT INTO unified (asset_id, symbol, rank, observed_at, source_id, source_ids)
       SELECT asset_id, symbol, asset_id, :now, 1, '{1,2}' FROM assets""",
    """INSERT INTO quotes_latest (source_id, external_id, asset_id, observed_at, inferred_time,
                                  run_id, raw_id, digest)
       SELECT source_id, slug, asset_id, :now, false, gen_random_uuid(), 1, gen_random_uuid()
         FROM assets, sources""",
    "SELECT ensure_quote_partitions(ARRAY['2026-11-01']::date[])",
    f"""INSERT INTO quotes (asset_id, source_id, observed_at, price_usd, run_id, raw_id, digest,
                            known_from)
        SELECT asset_id, source_id, :now - n * interval '1 hour', 1, gen_random_uuid(), 1,
               gen_random_uuid(), :now - n * interval '1 hour'
          FROM generate_series(1, {QUOTES}) n, assets, sources""",
    f"""INSERT INTO superseded_quotes (asset_id, source_id, observed_at, price_usd, run_id, raw_id,
                                       known_from, known_until)
        SELECT asset_id, source_id, :now - n * interval '1 hour', 2, gen_random_uuid(), 1,
               :now - n * interval '2 hours', :now - n * interval '1 hour'
          FROM generate_series(1, {CORRECTED}) n, assets, sources""",
)


@pytest.fixture
def crowded(engine: Engine) -> Engine:
    fill(engine, FILL, now=NOW)
    return engine


def read(engine: Engine, statement: TextClause, **bound: Any) -> list[dict[str, Any]]:
    """Return the nodes that read observations."""
    bound = {"as_of": NOW - timedelta(hours=1), **bound}
    observations = ("quotes_y", "superseded_quotes")
    return [
        node
        for node in plan_nodes(engine, statement, **bound)
        if node.get("Relation Name", "").startswith(observations)
    ]


def rows_of(scans: list[dict[str, Any]], relation: str) -> int:
    return round(
        sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in scans
            if node["Relation Name"].startswith(relation)
        )
    )


def test_a_coin_as_it_was_is_one_look_up_a_source(crowded: Engine):
    scans = read(crowded, COIN_AS_OF, asset_id=7)

    assert scans
    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    assert 0 < rows_of(scans, "quotes_y") <= 2 * SOURCES  # for the record and for its views


def test_a_page_as_of_a_moment_looks_up_one_observation_of_each_coin_it_shows_or_counts(
    crowded: Engine,
):
    shape = PageShape(of_sources=False, sort="asset_id", after=True)
    scans = read(crowded, page_as_of(shape), size=10, offset=0, after_asset=20)

    assert scans
    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    shown = 10 + 2  # the next one tells that there is more, one behind it that it is complete
    assert 0 < rows_of(scans, "quotes_y") <= (shown + COINS) * SOURCES
