"""How Postgres answers the hot questions: by index, and no more rows than shown."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, text

from cryptosource_store.statements.changes import CURRENT_RUNS, RUN_RECORDS
from cryptosource_store.statements.coins import DATA_VERSION, RESOLVE_ID
from cryptosource_store.statements.record_pages import BY_TICKER, PageShape, page_statement
from support.plans import fill, plan_nodes

COINS = 5_000
FILL = (
    "INSERT INTO sources (uid, namespace, name, source_type) VALUES ('u', 'crypto', 'gecko', 'x')",
    f"""INSERT INTO assets (slug, symbol)
        SELECT 'c' || n, 'C' || n FROM generate_series(1, {COINS}) n""",
    """INSERT INTO unified (asset_id, symbol, rank, observed_at, source_id, source_ids)
       SELECT asset_id, symbol, asset_id, now(), 1, '{1}' FROM assets""",
    """INSERT INTO sources (uid, namespace, name, source_type)
       VALUES ('v', 'crypto', 'paprika', 'y')""",
    """INSERT INTO quotes_latest (source_id, external_id, asset_id, observed_at, inferred_time,
              symbol, rank, run_id, raw_id, digest)
       SELECT source_id, slug, asset_id, now(), false, symbol, NULLIF(asset_id % 2000, 0),
              gen_random_uuid(), 1, gen_random_uuid() FROM assets CROSS JOIN sources""",
    "INSERT INTO tickers (ticker, asset_id) SELECT symbol, asset_id FROM assets",
    f"INSERT INTO dataset_versions (dataset, version, total) VALUES ('unified', 1, {COINS})",
)


@pytest.fixture
def crowded(engine: Engine) -> Engine:
    fill(engine, FILL)
    return engine


def on(plan: list[dict[str, Any]], relation: str) -> list[dict[str, Any]]:
    return [node for node in plan if node.get("Relation Name") == relation]


@pytest.mark.parametrize("depth", [0, COINS // 2, COINS - 150])
def test_a_page_by_rank_reads_the_index_and_only_its_rows(crowded: Engine, depth: int):
    after = {"after_key": str(depth), "after_asset": depth} if depth else {}
    shape = PageShape(of_sources=False, after=bool(depth))

    plan = plan_nodes(crowded, page_statement(shape), size=100, offset=0, **after)

    (page,) = [node for node in on(plan, "unified") if node.get("Index Name") == "unified_rank_idx"]
    assert page["Actual Rows"] == 101
    assert page.get("Rows Removed by Filter", 0) == 0
    sorted_rows = [node["Actual Rows"] for node in plan if "Sort" in node["Node Type"]]
    assert max(sorted_rows, default=0) <= 101


@pytest.mark.parametrize("source", ["gecko", "paprika", None])
@pytest.mark.parametrize("depth", [0, 700])
def test_a_page_of_sources_by_rank_reads_as_many_rows_of_each_as_it_shows(
    crowded: Engine, source: str | None, depth: int
):
    after = {"after_key": str(depth), "after_asset": 0, "after_source": 0} if depth else {}
    bound = {"source": source, "namespace": "crypto"}
    statement = page_statement(PageShape(of_sources=True, after=bool(depth)))

    plan = plan_nodes(crowded, statement, size=100, offset=0, **after, **bound)

    (page,) = on(plan, "quotes_latest")
    assert page["Index Name"] == "quotes_latest_rank_idx"
    assert page["Actual Rows"] == 101
    assert page["Actual Loops"] == (1 if source else 2)
    assert page.get("Rows Removed by Filter", 0) <= 1


def test_a_source_without_ranks_comes_by_the_same_index(crowded: Engine):
    with crowded.begin() as connection:
        connection.execute(text("UPDATE quotes_latest SET rank = NULL WHERE source_id = 1"))
    bound = {"source": "gecko", "namespace": None}

    plan = plan_nodes(
        crowded, page_statement(PageShape(of_sources=True)), size=100, offset=0, **bound
    )

    (page,) = on(plan, "quotes_latest")
    assert (page["Index Name"], page["Actual Rows"]) == ("quotes_latest_rank_idx", 101)


def test_a_ticker_is_found_by_primary_keys_and_what_its_coin_owns_by_index(crowded: Engine):
    shape = PageShape(of_sources=False, conditions=(BY_TICKER,))

    plan = plan_nodes(crowded, page_statement(shape), size=50, offset=0, ticker="C77")

    used = {
        relation: {node.get("Index Name") for node in on(plan, relation)}
        for relation in ("unified", "tickers", "assets")
    }
    assert used == {
        "unified": {"unified_pkey"},
        "tickers": {"tickers_pkey", "tickers_asset_idx"},
        "assets": {"assets_pkey"},
    }


def test_an_id_is_resolved_by_unique_keys(crowded: Engine):
    for bound in ({"ticker": "C77", "slug": None}, {"ticker": "X", "slug": "c77"}):
        plan = plan_nodes(crowded, RESOLVE_ID, **bound)
        used = {node["Index Name"] for node in plan if "Index Name" in node}
        assert used <= {"tickers_pkey", "assets_slug_key"}
        assert not [node for node in plan if node["Node Type"] == "Seq Scan"]


def test_the_total_of_the_whole_list_is_one_counter_row(crowded: Engine):
    plan = plan_nodes(crowded, page_statement(PageShape(of_sources=False)), size=1, offset=0)

    assert sum(node["Actual Rows"] for node in on(plan, "unified")) <= 4
    assert plan_nodes(crowded, DATA_VERSION)


def test_runs_that_changed_lately_are_read_by_index_however_many_there_were(crowded: Engine):
    with crowded.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, attempt, trigger,
                          status, started_at, finished_at)
                   SELECT gen_random_uuid(), 1, 'u', 'job' || n, 1, 'schedule', 'success',
                          now() - n * interval '1 min', now() FROM generate_series(1, 20000) n"""
            )
        )
    with crowded.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE etl_runs"))
        since = connection.scalar(text("SELECT now() - interval '150 s'"))
        ids = connection.scalars(text("SELECT run_id::text FROM etl_runs LIMIT 3")).all()

    lately = on(plan_nodes(crowded, CURRENT_RUNS, since=since, most=100), "etl_runs")
    told = on(plan_nodes(crowded, RUN_RECORDS, runs=list(ids)), "etl_runs")

    for read in (lately, told):
        assert {node["Node Type"] for node in read} <= {"Index Scan", "Bitmap Heap Scan"}
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) <= 3
