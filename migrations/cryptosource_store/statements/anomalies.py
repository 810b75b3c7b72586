"""Anomalies: runs against other runs of their source, price steps, and prices between sources.

Robust statistics: a value is an anomaly when its distance from the median exceeds `deviations`
times the scale. The scale is 1.4826 times the median absolute deviation (which estimates the
standard deviation of normally distributed values), but at least a floor. Values are compared as
double precision; amounts in answers are exact.
"""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements.coins import RANK_KEY, coin_id, rfc3339
from cryptosource_store.statements.counted_runs import asked_upstream
from cryptosource_store.statements.run_statistics import CHOSEN_SOURCES, DURATION

MAD_TO_DEVIATION = 1.4826
SOURCES_JUDGED = 1_000
RUNS_JUDGED = 100
"""Number of newest runs of a source that are compared."""
QUOTES_JUDGED = 288
"""Number of newest observations of a coin by a source that are compared."""
QUOTE_DAYS = 30
"""Older observations are not compared with today's."""
MIN_VALUES = 10
"""With fewer values there is no meaningful median, and nothing is an anomaly."""

# Floors of the scale: without one a source whose runs always take 2.00 s would stand out at 2.01 s.
DURATION_FLOOR_SHARE, DURATION_FLOOR_SECONDS = 0.1, 1
COUNT_FLOOR_SHARE, COUNT_FLOOR = 0.01, 1
REJECTED_FLOOR_POINTS = 0.1
CHANGE_FLOOR_POINTS = 1
# A poisoned price must not overflow double precision.
MAX_CHANGE = "1e15"
"""Upper bound, in percent, that greater changes are cut to."""

_FLOORS = f"""CASE m.metric
      WHEN 'duration_seconds' THEN
        greatest({DURATION_FLOOR_SHARE} * m.median, {DURATION_FLOOR_SECONDS})
      WHEN 'rejected_percent' THEN {REJECTED_FLOOR_POINTS}
      ELSE greatest({COUNT_FLOOR_SHARE} * m.median, {COUNT_FLOOR}) END"""


def _round(value: str) -> str:
    return f"trim_scale(round(({value})::numeric, 6))"


def _percent(value: str) -> str:
    return f"trim_scale(round({value}, 6))"


def _evidence(value: str) -> str:
    """Return SQL for the evidence about a value.

    Args:
        value: SQL for it; `m` must have `median`, `mad` and `n`, and `scale` be in scope.
    """
    return f"""{_round(value)} AS value, {_round("m.median")} AS median, {_round("m.mad")} AS mad,
         trim_scale(round((abs({value} - m.median) / scale)::numeric, 2)) AS deviations,
         {_round("CAST(:deviations AS double precision) * scale")} AS allowed_distance,
         m.n AS judged_from"""


# The values are passed on in arrays: the planner would underestimate joins back to them.
_MAD = """(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(x - medians.median))
            FROM unnest({0}) x)"""
_STANDS_OUT = "CAST(:deviations AS double precision) * scale"

# Index etl_runs_source_started_idx: at most RUNS_JUDGED rows of each of SOURCES_JUDGED sources.
# Runs that found nothing new and replays are left out, because their size is not the usual one; of
# failed runs only the share of rejected records is compared.
RUN_ANOMALIES = text(f"""
WITH chosen AS MATERIALIZED (
  SELECT s.source_id, s.namespace, s.name, s.source_type FROM sources s
   WHERE {CHOSEN_SOURCES} ORDER BY s.source_id LIMIT {SOURCES_JUDGED}
), measured AS MATERIALIZED (
  SELECT chosen.source_id, r.run_id, r.started_at, v.metric,
         v.value::double precision AS value
    FROM chosen
   CROSS JOIN LATERAL (
         SELECT * FROM etl_runs r
          WHERE r.source_id = chosen.source_id AND r.started_at <= :until
            AND r.status IN ('success', 'failure') AND {asked_upstream("r")}
            AND r.reason IS DISTINCT FROM 'NotModified'
          ORDER BY r.started_at DESC LIMIT {RUNS_JUDGED}) r
   CROSS JOIN LATERAL (VALUES
         ('duration_seconds', CASE WHEN r.status = 'success' THEN {DURATION} END),
         ('processed', CASE WHEN r.status = 'success' THEN r.processed::numeric END),
         ('loaded', CASE WHEN r.status = 'success' THEN r.loaded::numeric END),
         ('rejected_percent', r.rejected * 100.0 / nullif(r.processed, 0))) v(metric, value)
   WHERE v.value IS NOT NULL
), medians AS MATERIALIZED (
  SELECT source_id, metric, count(*) AS n,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median,
         array_agg(value) AS values,
         array_agg(run_id) AS runs,
         array_agg(started_at) AS starts
    FROM measured GROUP BY source_id, metric HAVING count(*) >= {MIN_VALUES}
), spreads AS MATERIALIZED (
  SELECT medians.*, {_MAD.format("medians.values")} AS mad FROM medians
), found AS (
  SELECT v.started_at, m.metric, v.run_id, row_to_json(record)::text AS record
    FROM spreads m JOIN chosen USING (source_id)
   CROSS JOIN LATERAL (SELECT greatest({MAD_TO_DEVIATION} * m.mad, {_FLOORS}) AS scale) scaled
   CROSS JOIN LATERAL unnest(m.values, m.runs, m.starts) AS v(value, run_id, started_at)
   CROSS JOIN LATERAL (
         SELECT status, reason FROM etl_runs r WHERE r.run_id = v.run_id OFFSET 0) r
   CROSS JOIN LATERAL (
         SELECT chosen.name AS source, chosen.namespace, chosen.source_type, v.run_id,
                {rfc3339("v.started_at")} AS started_at, r.status, r.reason, m.metric,
                {_evidence("v.value")}) record
   WHERE v.started_at >= :since AND abs(v.value - m.median) > {_STANDS_OUT}
   ORDER BY v.started_at DESC, v.run_id, m.metric LIMIT :size + 1
)
SELECT (SELECT count(*) FROM found) AS found,
       COALESCE(string_agg(record, ',' ORDER BY started_at DESC, run_id, metric), '') AS body
  FROM (SELECT * FROM found ORDER BY started_at DESC, run_id, metric LIMIT :size) shown
""")

# Index unified_rank_idx for the best-ranked coins, quotes_latest_asset_idx for their sources, and
# the primary key of quotes, backwards, for at most QUOTES_JUDGED observations of each.
_BEST_COINS = f"""best AS MATERIALIZED (
  SELECT u.asset_id, u.symbol, u.name FROM unified u ORDER BY {RANK_KEY}, u.asset_id LIMIT :top
)"""
_NAMED = """JOIN best USING (asset_id) JOIN assets a USING (asset_id)
  LEFT JOIN tickers t ON t.ticker = best.symbol"""
_COIN_FIELDS = f"""{coin_id("best")} AS id, best.asset_id, best.symbol, best.name"""

PRICE_JUMPS = text(f"""
WITH {_BEST_COINS}, pairs AS MATERIALIZED (
  SELECT DISTINCT l.asset_id, l.source_id
    FROM best JOIN quotes_latest l USING (asset_id) JOIN sources s USING (source_id)
   WHERE {CHOSEN_SOURCES}
), steps AS MATERIALIZED (
  SELECT asset_id, source_id, observed_at, price_usd, run_id, previous_at, previous_usd,
         least((price_usd - previous_usd) / previous_usd * 100, {MAX_CHANGE}) AS change
    FROM (SELECT pairs.asset_id, pairs.source_id, q.observed_at, q.price_usd, q.run_id,
                 lag(q.price_usd) OVER by_time AS previous_usd,
                 lag(q.observed_at) OVER by_time AS previous_at
            FROM pairs
           CROSS JOIN LATERAL (
                 SELECT q.observed_at, q.price_usd, q.run_id FROM quotes q
                  WHERE q.asset_id = pairs.asset_id AND q.source_id = pairs.source_id
                    AND q.observed_at <= :until
                    AND q.observed_at > CAST(:until AS timestamptz) - interval '{QUOTE_DAYS} days'
                    AND q.price_usd IS NOT NULL
                  ORDER BY q.observed_at DESC LIMIT {QUOTES_JUDGED}) q
          WINDOW by_time AS (PARTITION BY pairs.asset_id, pairs.source_id
                             ORDER BY q.observed_at)) observed
   WHERE previous_usd > 0
), medians AS MATERIALIZED (
  SELECT asset_id, source_id, count(*) AS n,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY change::double precision) AS median,
         array_agg(change::double precision) AS values,
         array_agg(observed_at) AS times
    FROM steps GROUP BY asset_id, source_id HAVING count(*) >= {MIN_VALUES}
), spreads AS MATERIALIZED (
  SELECT medians.*, {_MAD.format("medians.values")} AS mad FROM medians
), found AS MATERIALIZED (
  SELECT m.asset_id, m.source_id, m.n, m.median, m.mad, scaled.scale, v.value, v.observed_at
    FROM spreads m
   CROSS JOIN LATERAL (
         SELECT greatest({MAD_TO_DEVIATION} * m.mad, {CHANGE_FLOOR_POINTS}) AS scale) scaled
   CROSS JOIN LATERAL unnest(m.values, m.times) AS v(value, observed_at)
   WHERE v.observed_at >= :since AND abs(v.value - m.median) > {_STANDS_OUT}
   ORDER BY v.observed_at DESC, m.asset_id, m.source_id LIMIT :size + 1
)
SELECT (SELECT count(*) FROM found) AS found,
       COALESCE(string_agg(row_to_json(record)::text, ',' ORDER BY m.place), '') AS body
  FROM (SELECT row_number() OVER (ORDER BY observed_at DESC, asset_id, source_id) AS place, found.*
          FROM found ORDER BY observed_at DESC, asset_id, source_id LIMIT :size) m
  JOIN sources s USING (source_id) {_NAMED}
  JOIN steps v ON v.asset_id = m.asset_id AND v.source_id = m.source_id
   AND v.observed_at = m.observed_at
 CROSS JOIN LATERAL (
       SELECT {_COIN_FIELDS}, s.name AS source, s.namespace, s.source_type,
              {rfc3339("v.observed_at")} AS observed_at, v.price_usd,
              {rfc3339("v.previous_at")} AS previous_observed_at,
              v.previous_usd AS previous_price_usd, v.run_id, {_evidence("m.value")}) record
""")

# Index unified_rank_idx, then quotes_latest_asset_idx. As in `unified`, prices within an hour of
# the coin's newest are compared. `furthest` needs three: of two prices, either may be wrong.
PRICE_DISAGREEMENTS = text(f"""
WITH {_BEST_COINS}, views AS MATERIALIZED (
  SELECT l.asset_id, l.source_id, l.price_usd, l.observed_at, l.run_id, s.name AS source,
         s.namespace, s.source_type,
         max(l.observed_at) OVER (PARTITION BY l.asset_id) AS newest,
         bool_or({CHOSEN_SOURCES}) OVER (PARTITION BY l.asset_id) AS is_chosen
    FROM best JOIN quotes_latest l USING (asset_id) JOIN sources s USING (source_id)
   WHERE s.retired_at IS NULL AND l.price_usd IS NOT NULL
), fresh AS (
  SELECT * FROM views WHERE is_chosen AND observed_at >= newest - interval '1 hour'
), prices AS (
  SELECT asset_id, count(*)::integer AS n, min(price_usd) AS low, max(price_usd) AS high,
         array_agg(price_usd ORDER BY price_usd) AS sorted
    FROM fresh WHERE newest BETWEEN :since AND :until
   GROUP BY asset_id HAVING count(DISTINCT source_id) > 1
), found AS (
  SELECT prices.*, (high - low) / nullif(low, 0) * 100 AS spread,
         (sorted[(n + 1) / 2] + sorted[(n + 2) / 2]) / 2 AS median
    FROM prices
   WHERE (high - low) * 100 > :spread_percent * low
   ORDER BY spread DESC NULLS FIRST, asset_id LIMIT :size + 1
)
SELECT (SELECT count(*) FROM found) AS found,
       COALESCE(string_agg(row_to_json(record)::text, ',' ORDER BY m.place), '') AS body
  FROM (SELECT row_number() OVER (ORDER BY spread DESC NULLS FIRST, asset_id) AS place, found.*
          FROM found ORDER BY spread DESC NULLS FIRST, asset_id LIMIT :size) m {_NAMED}
 CROSS JOIN LATERAL (
       SELECT {_COIN_FIELDS}, {_percent("m.spread")} AS spread_percent,
              CAST(:spread_percent AS numeric) AS allowed_spread_percent,
              trim_scale(m.median) AS median_price_usd,
              CASE WHEN m.n > 2 THEN (
                SELECT v.source FROM fresh v WHERE v.asset_id = m.asset_id
                 ORDER BY abs(v.price_usd - m.median) DESC, v.observed_at, v.source LIMIT 1) END
                AS furthest,
              (SELECT json_agg(row_to_json(x)) FROM (
                 SELECT v.source, v.namespace, v.source_type, v.price_usd,
                        {_percent("(v.price_usd - m.median) / nullif(m.median, 0) * 100")}
                          AS deviation_percent,
                        {rfc3339("v.observed_at")} AS observed_at, v.run_id
                   FROM fresh v WHERE v.asset_id = m.asset_id
                  ORDER BY v.price_usd DESC, v.source, v.namespace) x) AS views) record
""")
