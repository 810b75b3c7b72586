"""Comparison of two runs of one source: their figures, and the ids that their passes listed."""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements.coins import coin_id
from cryptosource_store.statements.runs import RUN_FIELDS

COINS_SHOWN = 100
"""Maximum number of coins shown that appeared, and of those that vanished."""

# Primary key of etl_runs; then etl_runs_source_started_idx backwards from the run to the last
# complete pass, its own or an earlier one.
RUNS_COMPARED = text(f"""
SELECT r.run_id::text AS run_id, r.source_id, s.namespace || '/' || s.name AS source,
       r.processed, r.rejected, r.reject_reasons, row_to_json(record)::text AS body,
       pass.run_id::text AS pass_run_id, pass.epoch AS pass_epoch, pass.listed
  FROM etl_runs r
  JOIN sources s USING (source_id)
 CROSS JOIN LATERAL (SELECT {RUN_FIELDS}) record
  LEFT JOIN LATERAL (
       SELECT p.run_id, p.epoch, p.listed FROM etl_runs p
        WHERE p.source_id = r.source_id AND p.started_at <= r.started_at AND p.listed IS NOT NULL
        ORDER BY p.started_at DESC LIMIT 1) pass ON true
 WHERE r.run_id IN (CAST(:a AS uuid), CAST(:b AS uuid))
""")

_METRICS = (
    *("duration_seconds", "processed", "loaded", "unchanged", "rejected"),
    *("pages", "requests", "retries"),
)

# Primary key, twice.
RUN_CHANGES = text(f"""
SELECT json_agg(row_to_json(x))::text AS body FROM (
  SELECT m.metric, m.a, m.b, m.b - m.a AS difference,
         trim_scale(round((m.b - m.a) / nullif(m.a, 0) * 100, 6)) AS difference_percent
    FROM (SELECT {RUN_FIELDS} FROM etl_runs r JOIN sources s USING (source_id)
           WHERE r.run_id = CAST(:a AS uuid)) a
   CROSS JOIN (SELECT {RUN_FIELDS} FROM etl_runs r JOIN sources s USING (source_id)
                WHERE r.run_id = CAST(:b AS uuid)) b
   CROSS JOIN LATERAL (VALUES
         {", ".join(f"({n}, '{m}', a.{m}::numeric, b.{m}::numeric)" for n, m in enumerate(_METRICS))}
         ) m(place, metric, a, b)
   ORDER BY m.place) x
""")

_LISTED = """EXISTS (SELECT 1 FROM listings l
           WHERE l.source_id = :source_id AND l.external_id = changed.external_id
             AND l.from_epoch <= {0} AND (l.until_epoch IS NULL OR l.until_epoch > {0}))"""

_COINS = f"""(SELECT COALESCE(json_agg(row_to_json(x)), '[]'::json) FROM (
     SELECT j.external_id, {coin_id("u")} AS id, u.asset_id, u.symbol, u.name
       FROM judged j
       LEFT JOIN quotes_latest q ON q.source_id = :source_id AND q.external_id = j.external_id
       LEFT JOIN unified u ON u.asset_id = q.asset_id
       LEFT JOIN assets a ON a.asset_id = q.asset_id
       LEFT JOIN tickers t ON t.ticker = u.symbol
      WHERE {{0}} ORDER BY u.rank NULLS LAST, j.external_id LIMIT {COINS_SHOWN}) x)"""
_APPEARED, _VANISHED = "j.in_b AND NOT j.in_a", "j.in_a AND NOT j.in_b"

# Indexes listings_from_idx and listings_until_idx for the ids that changed between the two passes,
# whichever was first; then the primary key, because an id may leave and return in between.
LISTING_CHANGES = text(f"""
WITH changed AS (
  SELECT external_id FROM listings
   WHERE source_id = :source_id AND from_epoch > least(:a, :b) AND from_epoch <= greatest(:a, :b)
   UNION
  SELECT external_id FROM listings
   WHERE source_id = :source_id AND until_epoch > least(:a, :b) AND until_epoch <= greatest(:a, :b)
), judged AS MATERIALIZED (
  SELECT external_id, {_LISTED.format(":a")} AS in_a, {_LISTED.format(":b")} AS in_b FROM changed
)
SELECT (SELECT count(*) FROM judged j WHERE {_APPEARED}) AS appeared_total,
       (SELECT count(*) FROM judged j WHERE {_VANISHED}) AS vanished_total,
       {_COINS.format(_APPEARED)}::text AS appeared, {_COINS.format(_VANISHED)}::text AS vanished
""")
