"""Which coin an external id means: by pin, by evidence, else a coin of its own.

A page with ids nobody has seen takes the identity lock until its commit, so that two sources
that meet the same new coin at once cannot both mint it. Pages of known ids never take it.
"""

from __future__ import annotations

from sqlalchemy import text

IDENTITY_LOCK = 727_003

LOCK_IDENTITY = text(f"SELECT pg_advisory_xact_lock({IDENTITY_LOCK})")

# Index assets_symbol_idx by way of unified_symbol_idx. Candidates of other scopes alone.
CANDIDATES = text("""
SELECT u.symbol, u.asset_id, u.name, u.price_usd, u.market_cap_usd, u.rank, u.observed_at,
       EXISTS (SELECT 1 FROM asset_aliases a
                WHERE a.asset_id = u.asset_id AND a.id_scope = :id_scope) AS taken
  FROM unified u
 WHERE u.symbol = ANY(:symbols)
""")

ALIASES = text("""
SELECT external_id, asset_id FROM asset_aliases
 WHERE id_scope = :id_scope AND external_id = ANY(:external_ids)
""")

HAS_ALIAS = text("""
SELECT EXISTS (SELECT 1 FROM asset_aliases WHERE id_scope = :id_scope AND asset_id = :asset_id)
""")

# A slug that is taken gets the asset's own id behind it, so that it stays unique for ever.
MINT_ASSETS = text("""
WITH wanted AS (
  SELECT ord, base, symbol, name, nextval(pg_get_serial_sequence('assets', 'asset_id')) AS asset_id,
         row_number() OVER (PARTITION BY base ORDER BY ord) AS nth
    FROM unnest(CAST(:slugs AS text[]), CAST(:symbols AS text[]), CAST(:names AS text[]))
         WITH ORDINALITY AS t(base, symbol, name, ord)
), made AS (
  INSERT INTO assets (asset_id, slug, symbol, name) OVERRIDING SYSTEM VALUE
  SELECT asset_id,
         CASE WHEN nth > 1 OR EXISTS (SELECT 1 FROM assets a WHERE a.slug = base)
              THEN base || '-' || asset_id ELSE base END, symbol, name
    FROM wanted
)
SELECT asset_id FROM wanted ORDER BY ord
""")

INSERT_ALIASES = text("""
INSERT INTO asset_aliases (id_scope, external_id, asset_id, method, confidence, evidence)
SELECT scope, external_id, asset_id, method, confidence, evidence
  FROM unnest(CAST(:scopes AS text[]), CAST(:external_ids AS text[]),
              CAST(:asset_ids AS bigint[]), CAST(:methods AS text[]),
              CAST(:confidences AS numeric[]), CAST(:evidence AS jsonb[]))
       AS t(scope, external_id, asset_id, method, confidence, evidence)
""")

# Index lookups only. A ticker that several coins share is decided under its row's lock, so that
# two sources that move two rivals at once do not both decide on what the other just changed.
LOCK_TICKERS = text("""
SELECT count(*) FROM (
  SELECT 1 FROM tickers t
   WHERE t.ticker IN (SELECT symbol FROM page_stage)
     AND EXISTS (SELECT 1 FROM unified u WHERE u.symbol = t.ticker AND u.asset_id <> t.asset_id)
   ORDER BY t.ticker FOR NO KEY UPDATE OF t) locked
""")

# Touched are the tickers that the page's coins bear or own. Best is the lowest rank, then the
# largest market cap, then the older coin. Only a change writes.
MOVE_TICKERS = text("""
WITH touched AS (
  SELECT symbol AS ticker FROM page_stage WHERE symbol IS NOT NULL
  UNION
  SELECT t.ticker FROM page_stage s JOIN tickers t USING (asset_id)
), changed AS (
  SELECT touched.ticker, best.asset_id, t.asset_id AS from_asset_id
    FROM touched
   CROSS JOIN LATERAL (
         SELECT u.asset_id FROM unified u WHERE u.symbol = touched.ticker
          ORDER BY u.rank NULLS LAST, u.market_cap_usd DESC NULLS LAST, u.asset_id
          LIMIT 1) best
    LEFT JOIN tickers t ON t.ticker = touched.ticker
   WHERE t.asset_id IS DISTINCT FROM best.asset_id
), moved AS (
  INSERT INTO ticker_moves (ticker, from_asset_id, to_asset_id, run_id)
  SELECT ticker, from_asset_id, asset_id, :run_id FROM changed WHERE from_asset_id IS NOT NULL
)
INSERT INTO tickers AS t (ticker, asset_id)
SELECT ticker, asset_id FROM changed ORDER BY ticker
ON CONFLICT (ticker) DO UPDATE SET asset_id = excluded.asset_id, since = clock_timestamp()
""")
