"""What the tables must say: recomputed from the observations alone, and compared whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, text

from cryptosource_store.engine import session_engine
from cryptosource_store.quote_fields import figure_list
from support.waits import eventually

Tables = dict[str, list[tuple[Any, ...]]]

# Every fact, with what a run invents (run ids, raw ids, asset ids, times of loading) left out.
FACTS = {
    "assets": "SELECT slug, symbol, name FROM assets",
    "aliases": """
        SELECT a.id_scope, a.external_id, c.slug, a.method, a.confidence
          FROM asset_aliases a JOIN assets c USING (asset_id)""",
    "quotes": f"""
        SELECT s.name, c.slug, q.observed_at, {figure_list("q")}, q.rank, q.digest::text
          FROM quotes q JOIN assets c USING (asset_id) JOIN sources s USING (source_id)""",
    "quotes_latest": f"""
        SELECT s.name, c.slug, l.external_id, l.observed_at, l.inferred_time, l.symbol, l.name,
               l.rank, {figure_list("l")}, l.digest::text
          FROM quotes_latest l JOIN assets c USING (asset_id) JOIN sources s USING (source_id)""",
    "unified": f"""
        SELECT c.slug, u.symbol, u.name, u.rank, {figure_list("u")}, u.observed_at, s.name,
               u.spread_percent,
               ARRAY(SELECT name FROM sources WHERE source_id = ANY(u.source_ids) ORDER BY 1)
          FROM unified u JOIN assets c USING (asset_id) JOIN sources s USING (source_id)""",
    "tickers": "SELECT t.ticker, c.slug FROM tickers t JOIN assets c USING (asset_id)",
    "raw": """
        SELECT s.name, r.source_type, r.external_id, r.observed_at, r.digest::text, r.scrubbed,
               r.payload::text
          FROM raw_records r JOIN sources s USING (source_id)""",
    "rejected": """
        SELECT s.name, j.external_id, j.digest::text, j.reason, j.field, j.detail, j.occurrences
          FROM rejected_records j JOIN sources s USING (source_id)""",
    "checkpoints": """
        SELECT s.name, k.cursor::text, k.records_committed, k.observed_at
          FROM etl_checkpoints k JOIN sources s USING (source_id)""",
    "totals": """
        SELECT coalesce(s.name, dataset), total FROM dataset_versions
          LEFT JOIN sources s ON dataset = 'source:' || s.source_id""",
}

# Each finds rows that contradict the observations; none may be left.
CONTRADICTIONS = {
    "latest is the newest quote": f"""
        SELECT l.source_id, l.external_id FROM quotes_latest l
          LEFT JOIN LATERAL (SELECT * FROM quotes q WHERE q.asset_id = l.asset_id
                   AND q.source_id = l.source_id ORDER BY observed_at DESC LIMIT 1) q ON true
         WHERE (l.observed_at, l.digest, l.raw_id) IS DISTINCT FROM
               (q.observed_at, q.digest, q.raw_id)
            OR (l.rank, {figure_list("l")}) IS DISTINCT FROM (q.rank, {figure_list("q")})""",
    "every coin is an asset": """
        SELECT asset_id FROM (SELECT asset_id FROM quotes UNION SELECT asset_id FROM unified) coins
        EXCEPT SELECT asset_id FROM assets""",
    "every quote has a latest": """
        SELECT asset_id, source_id FROM quotes
        EXCEPT SELECT asset_id, source_id FROM quotes_latest""",
    "every quote points at its payload": """
        SELECT q.asset_id, q.observed_at FROM quotes q LEFT JOIN raw_records r
            ON r.raw_id = q.raw_id AND r.digest = q.digest AND r.source_id = q.source_id
         WHERE r.raw_id IS NULL""",
    "a quote is of the time of its payload": """
        SELECT q.asset_id, q.observed_at, r.observed_at FROM quotes q JOIN raw_records r
            ON r.raw_id = q.raw_id AND r.source_id = q.source_id
         WHERE r.observed_at <> q.observed_at""",
    "every rejection points at its payload": """
        SELECT j.rejected_id FROM rejected_records j LEFT JOIN raw_records r
            ON r.raw_id = j.raw_id AND r.digest = j.digest
         WHERE r.raw_id IS NULL""",
    "raw ids are unique": "SELECT raw_id FROM raw_records GROUP BY 1 HAVING count(*) > 1",
    "unified is what its sources say": f"""
        SELECT coalesce(u.asset_id, w.asset_id) FROM unified u FULL JOIN (
          SELECT DISTINCT ON (asset_id) l.asset_id, l.symbol, l.name, {figure_list("l")},
                 l.observed_at, l.source_id, o.rank, o.source_ids
            FROM quotes_latest l JOIN (
                 SELECT asset_id, min(rank) AS rank,
                        array_agg(source_id ORDER BY source_id) AS source_ids
                   FROM quotes_latest GROUP BY asset_id) o USING (asset_id)
           ORDER BY asset_id, (l.price_usd IS NULL), l.observed_at DESC, l.source_id) w
            ON u.asset_id = w.asset_id
         WHERE (u.symbol, u.name, u.rank, {figure_list("u")}, u.observed_at, u.source_id,
                u.source_ids)
            IS DISTINCT FROM
               (w.symbol, w.name, w.rank, {figure_list("w")}, w.observed_at, w.source_id,
                w.source_ids)""",
    "the spread is of the last hour's prices": """
        SELECT u.asset_id, u.spread_percent, w.spread FROM unified u JOIN LATERAL (
          SELECT CASE WHEN count(price_usd) > 1 AND min(price_usd) > 0
                 THEN (max(price_usd) - min(price_usd)) / min(price_usd) * 100 END AS spread
            FROM quotes_latest l WHERE l.asset_id = u.asset_id
             AND l.observed_at >= u.observed_at - interval '1 hour') w ON true
         WHERE u.spread_percent IS DISTINCT FROM w.spread""",
    "a ticker belongs to the best of its coins": """
        SELECT w.symbol, w.asset_id, t.asset_id FROM (
          SELECT DISTINCT ON (symbol) symbol, asset_id FROM unified WHERE symbol IS NOT NULL
           ORDER BY symbol, rank NULLS LAST, market_cap_usd DESC NULLS LAST, asset_id) w
          LEFT JOIN tickers t ON t.ticker = w.symbol
         WHERE t.asset_id IS DISTINCT FROM w.asset_id""",
    "a ticker leads to a coin that is shown": """
        SELECT ticker, asset_id FROM tickers EXCEPT
        SELECT ticker, asset_id FROM tickers JOIN unified USING (asset_id)""",
    "totals are exact": """
        SELECT coalesce(d.dataset, w.dataset), d.total, w.total FROM dataset_versions d FULL JOIN (
          SELECT 'unified' AS dataset, count(*) AS total FROM unified HAVING count(*) > 0
          UNION ALL
          SELECT 'source:' || source_id, count(*) FROM quotes_latest GROUP BY source_id) w
            ON d.dataset = w.dataset
         WHERE d.total IS DISTINCT FROM coalesce(w.total, 0)""",
    "one coin has one id per scope": """
        SELECT asset_id, id_scope FROM asset_aliases GROUP BY 1, 2 HAVING count(*) > 1""",
    "counts add up": "SELECT run_id FROM etl_runs WHERE processed <> loaded + unchanged + rejected",
    "runs of a source never overlap": """
        SELECT a.run_id, b.run_id FROM etl_runs a JOIN etl_runs b
            ON a.source_id = b.source_id AND a.run_id < b.run_id
           AND a.status <> 'skipped' AND b.status <> 'skipped'
           AND a.started_at < coalesce(b.finished_at, 'infinity')
           AND b.started_at < coalesce(a.finished_at, 'infinity')""",
}


DATA_TABLES = (
    *("raw_records", "quotes", "quotes_latest", "unified", "tickers", "dataset_versions"),
    *("rejected_records", "assets", "asset_aliases", "ticker_moves", "schema_drifts"),
)
"""What a run changes when it learns something."""


def rows(url: URL, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    engine = session_engine(url, application="oracle")
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), parameters)]


def value(url: URL, statement: str, **parameters: Any) -> Any:
    """Return the only value that a query finds."""
    ((found,),) = rows(url, statement, **parameters)
    return found


def execute(url: URL, statement: str, **parameters: Any) -> None:
    """Run a statement and commit it."""
    engine = session_engine(url, application="oracle")
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)


def wait_until(url: URL, condition: str, **parameters: Any) -> None:
    """Ask the database again and again until a condition holds there.

    Raises:
        OutOfTime: it does not.
    """
    statement = f"SELECT coalesce(({condition}), false)"
    eventually(lambda: value(url, statement, **parameters), what=condition)


def no_run_holds_a_lock(url: URL) -> None:
    """Wait until the server has noticed that the sessions of the runs before are closed."""
    held = """pg_locks l JOIN pg_database d ON d.oid = l.database
       WHERE d.datname = current_database() AND l.locktype = 'advisory'"""
    wait_until(url, f"SELECT count(*) = 0 FROM {held}")


def committed(url: URL, records: int) -> None:
    """Wait until a checkpoint says that so many records are in."""
    wait_until(url, f"SELECT bool_or(records_committed >= {records}) FROM etl_checkpoints")


def facts(url: URL, *without: str) -> Tables:
    """Return every table's facts, sorted, comparable between databases."""
    wanted = {name: query for name, query in FACTS.items() if name not in without}
    return {name: sorted(rows(url, query), key=repr) for name, query in wanted.items()}


def contradictions(url: URL) -> Tables:
    """Return the rows that contradict the observations, by rule; empty when all is well."""
    found = {rule: rows(url, query) for rule, query in CONTRADICTIONS.items()}
    return {rule: wrong for rule, wrong in found.items() if wrong}


def counts(url: URL, *tables: str) -> dict[str, int]:
    """Return the number of rows of each table."""
    return {table: value(url, f"SELECT count(*) FROM {table}") for table in tables}


def row_versions(url: URL, *tables: str) -> Tables:
    """Return where each row lies, and who wrote and locked it: equal means nothing was written."""
    query = "SELECT tableoid::text, ctid::text, xmin::text, xmax::text FROM {} ORDER BY 1, 2"
    return {table: rows(url, query.format(table)) for table in tables}
