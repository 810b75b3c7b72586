"""Statements of the web page, beside those of the API that it shares.

They return rows and not JSON, because the page formats each value itself.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

from cryptosource_store.quote_fields import figure_list
from cryptosource_store.statements import counted_runs
from cryptosource_store.statements.coins import coin_id
from cryptosource_store.statements.record_pages import TOTAL_CAP, sort_key
from cryptosource_store.statements.runs import CURSOR_SUMMARY

DRIFT_SHOWN_FOR = "3 days"
"""How long after a change of its upstream a source is shown as drifted: over a weekend."""

# Unique keys and schema_drifts_source_idx: at most 20 of the newest drifts of each source.
_OVERVIEW = f"""
SELECT s.source_id, s.namespace, s.name, s.schedule, s.time_zone, s.created_at,
       COALESCE(d.total, 0) AS records, clock_timestamp() AS now, drift.changes AS drifts,
       drift.detected_at AS drifted_at, drift.run_id AS drift_run_id
  FROM sources s
  LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id
  LEFT JOIN LATERAL (
       SELECT count(*) AS changes, max(x.detected_at) AS detected_at,
              (array_agg(x.run_id::text ORDER BY x.drift_id DESC))[1] AS run_id
         FROM (SELECT f.drift_id, f.run_id, f.detected_at FROM schema_drifts f
                WHERE f.source_id = s.source_id ORDER BY f.drift_id DESC LIMIT 20) x
        WHERE x.detected_at > clock_timestamp() - interval '{DRIFT_SHOWN_FOR}') drift ON true
 WHERE s.retired_at IS NULL"""

SOURCES_OVERVIEW = text(_OVERVIEW)

# Index sources_identity_idx.
SOURCE_OVERVIEW = text(f"""{_OVERVIEW} AND s.namespace = :namespace AND s.name = :name
 ORDER BY s.source_id LIMIT 1
""")

# The indexes of `counted_runs`. No row when retention has deleted the run.
LAST_FAILURE = text(f"""
SELECT failure.run_id::text AS run_id, failure.status, failure.reason, failure.message,
       failure.started_at
  FROM sources s{counted_runs.JOINS}
 CROSS JOIN LATERAL {counted_runs.LAST_FAILURE} failure
 WHERE s.source_id = :source_id
""")

# Index schema_drifts_source_idx.
SOURCE_DRIFTS = text("""
SELECT f.run_id::text AS run_id, f.field, f.change, f.types_before, f.types_after, f.detected_at
  FROM schema_drifts f WHERE f.source_id = :source_id
 ORDER BY f.drift_id DESC LIMIT 20
""")

# Unique key of rejected_records, by its first column. Replayed records have left quarantine.
SOURCE_REJECTS = text("""
SELECT q.reason, count(*) AS records, max(q.last_seen_at) AS last_seen_at,
       (array_agg(q.run_id::text ORDER BY q.last_seen_at DESC))[1] AS run_id
  FROM rejected_records q
 WHERE q.source_id = :source_id AND q.replayed_at IS NULL
 GROUP BY q.reason ORDER BY records DESC, q.reason
""")

# Primary key.
SOURCE_CURSOR = text(f"SELECT {CURSOR_SUMMARY} FROM etl_checkpoints k WHERE source_id = :source_id")

# Index etl_runs_source_started_idx: the newest entries of each source.
RECENT_RUNS = text("""
SELECT r.source_id, r.run_id::text AS run_id, r.status, r.trigger, r.reason, r.started_at,
       r.next_attempt_at, r.loaded, r.rejected, r.processed, r.records_total,
       extract(epoch FROM COALESCE(r.finished_at, clock_timestamp()) - r.started_at) AS seconds
  FROM unnest(CAST(:source_ids AS integer[])) AS chosen(source_id)
 CROSS JOIN LATERAL (SELECT * FROM etl_runs e WHERE e.source_id = chosen.source_id
                      ORDER BY e.started_at DESC LIMIT :size) r
 ORDER BY r.source_id, r.started_at
""")

# Index rejected_records_run_idx.
REJECT_REASONS = text("""
SELECT q.reason, count(*) AS records FROM rejected_records q
 WHERE q.run_id = CAST(:run_id AS uuid)
 GROUP BY q.reason ORDER BY records DESC, q.reason
""")

# Index etl_runs_source_started_idx, from both sides.
NEIGHBOUR_RUNS = text("""
SELECT (SELECT b.run_id::text FROM etl_runs b
         WHERE b.source_id = r.source_id AND b.started_at < r.started_at
         ORDER BY b.started_at DESC LIMIT 1) AS before,
       (SELECT a.run_id::text FROM etl_runs a
         WHERE a.source_id = r.source_id AND a.started_at > r.started_at
         ORDER BY a.started_at LIMIT 1) AS after
  FROM etl_runs r WHERE r.run_id = CAST(:run_id AS uuid)
""")

# Columns and filter of the list of coins: sources by the number of coins they know, most first.
SOURCE_CHOICES = text("""
SELECT s.source_id, s.namespace, s.name, COALESCE(d.total, 0) AS records
  FROM sources s LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id
 WHERE s.retired_at IS NULL
 ORDER BY records DESC, s.namespace, s.name
 LIMIT 200
""")

SPARK_POINTS = 28
"""Number of points of a sparkline: four a day for a week."""

MATCHES_PATTERN = r"(u.symbol LIKE upper(:pattern) ESCAPE '\' OR u.name ILIKE :pattern ESCAPE '\')"
OF_SOURCE = "u.source_ids @> ARRAY[CAST(:source_id AS integer)]"
EXACT_FIRST = "(u.symbol = :symbol) DESC NULLS LAST, "

COIN_SORTS = ("rank", "symbol", "price_usd", "percent_change_24h", "market_cap_usd", "spread")


def _order(sort: str, *, descending: bool) -> str:
    direction = "DESC" if descending else "ASC"
    if sort == "spread":
        return f"u.spread_percent {direction} NULLS LAST, u.asset_id"
    key = sort_key(sort, descending=descending)
    nulls = " NULLS LAST" if key.nullable else ""
    return f"{key.expression} {direction}{nulls}, u.asset_id"


def coins_statement(*, searched: bool, of_source: bool, sort: str, descending: bool) -> TextClause:
    """Return the statement of a page of coins with each source's price and a week's prices.

    Args:
        searched: filter by `pattern` (for LIKE); coins whose symbol is `symbol` come first.
        of_source: only coins that `source_id` knows.
        sort: one of `COIN_SORTS`.
        descending: largest first; unknown values come last either way.
    """
    # By rank it reads `offset + size` entries of unified_rank_idx; a search scans unified once. The
    # week is SPARK_POINTS look-ups by the primary key of quotes per coin, however many it has.
    conditions = [MATCHES_PATTERN] * searched + [OF_SOURCE] * of_source
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = (EXACT_FIRST if searched else "") + _order(sort, descending=descending)
    counted = f"SELECT 1 FROM unified u{where} LIMIT {TOTAL_CAP}"
    return text(f"""
WITH page AS MATERIALIZED (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT u.* FROM unified u{where} ORDER BY {order} LIMIT :size OFFSET :offset) ordered
)
SELECT (SELECT count(*) FROM ({counted}) counted) AS total, clock_timestamp() AS now,
       {coin_id("c")} AS id, a.slug, c.symbol, c.name, c.rank, {figure_list("c")},
       c.observed_at, c.spread_percent, cardinality(c.source_ids) AS sources, v.views, w.week
  FROM page c
  JOIN assets a USING (asset_id)
  LEFT JOIN tickers t ON t.ticker = c.symbol
 CROSS JOIN LATERAL (
       SELECT json_object_agg(x.source_id, json_build_array(x.price_usd::text, x.observed_at))
                AS views
         FROM (SELECT DISTINCT ON (l.source_id) l.source_id, l.price_usd, l.observed_at
                 FROM quotes_latest l WHERE l.asset_id = c.asset_id
                ORDER BY l.source_id, l.observed_at DESC LIMIT 50) x) v
 CROSS JOIN LATERAL (
       SELECT array_agg(q.price_usd ORDER BY g.step DESC) AS week
         FROM generate_series(0, {SPARK_POINTS - 1}) AS g(step)
         LEFT JOIN LATERAL (
              SELECT x.price_usd FROM quotes x
               WHERE x.asset_id = c.asset_id AND x.source_id = c.source_id
                 AND x.observed_at > c.observed_at - (g.step + 1) * interval '6 hours'
                 AND x.observed_at <= c.observed_at - g.step * interval '6 hours'
                 AND x.price_usd IS NOT NULL
               ORDER BY x.observed_at DESC LIMIT 1) q ON true) w
 ORDER BY c.n
""")


# Primary key of quotes, once per source and month.
QUOTED_SPAN = text("""
SELECT min(oldest.observed_at) AS oldest, max(newest.observed_at) AS newest
  FROM unnest(CAST(:source_ids AS integer[])) AS chosen(source_id)
 CROSS JOIN LATERAL (SELECT q.observed_at FROM quotes q
                      WHERE q.asset_id = :asset_id AND q.source_id = chosen.source_id
                      ORDER BY q.observed_at LIMIT 1) oldest
 CROSS JOIN LATERAL (SELECT q.observed_at FROM quotes q
                      WHERE q.asset_id = :asset_id AND q.source_id = chosen.source_id
                      ORDER BY q.observed_at DESC LIMIT 1) newest
""")

# One look-up by the primary key of quotes per source and step, however many observations there are.
PRICES = text("""
SELECT chosen.source_id, q.observed_at, q.price_usd
  FROM unnest(CAST(:source_ids AS integer[])) AS chosen(source_id)
 CROSS JOIN generate_series(1, CAST(:points AS integer)) AS g(step)
 CROSS JOIN LATERAL (
      SELECT x.observed_at, x.price_usd FROM quotes x
       WHERE x.asset_id = :asset_id AND x.source_id = chosen.source_id
         AND x.observed_at > CAST(:start AS timestamptz)
                             + (g.step - 1) * make_interval(secs => :step_seconds)
         AND x.observed_at <= CAST(:start AS timestamptz)
                              + g.step * make_interval(secs => :step_seconds)
         AND x.price_usd IS NOT NULL
       ORDER BY x.observed_at DESC LIMIT 1) q
 ORDER BY chosen.source_id, q.observed_at
""")

NOW = text("SELECT clock_timestamp()")

# Retired sources too: charts still show their history.
SOURCE_NAMES = text("""
SELECT source_id, namespace, name FROM sources WHERE source_id = ANY (CAST(:source_ids AS integer[]))
""")
