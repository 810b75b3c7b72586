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
  RETURNING asset_id
)
SELECT w.asset_id FROM wanted w JOIN made USING (asset_id) ORDER BY w.ord
""")

INSERT_ALIASES = text("""
INSERT INTO asset_aliases (id_scope, external_id, asset_id, method, confidence, evidence)
SELECT scope, external_id, asset_id, method, confidence, evidence
  FROM unnest(CAST(:scopes AS text[]), CAST(:external_ids AS text[]),
              CAST(:asset_ids AS bigint[]), CAST(:methods AS text[]),
              CAST(:confidences AS numeric[]), CAST(:evidence AS jsonb[]))
       AS t(scope, external_id, asset_id, method, confidence, evidence)
""")

# Tickers whose best coin may have changed by this page: those its coins bear or own.
LOCK_TICKERS = text("""
SELECT count(*) FROM (
  SELECT 1 FROM tickers
   WHERE ticker IN (SELECT u.symbol FROM page_stage s JOIN unified u USING (asset_id))
      OR asset_id IN (SELECT asset_id FROM page_stage)
   ORDER BY ticker FOR NO KEY UPDATE) locked
""")

# Best: lowest rank, then largest market cap, then the older coin. Only a change writes.
MOVE_TICKERS = text("""
WITH touched AS (
  SELECT u.symbol AS ticker FROM page_stage s JOIN unified u USING (asset_id)
   WHERE u.symbol IS NOT NULL
  UNION
  SELECT t.ticker FROM tickers t JOIN page_stage s USING (asset_id)
), best AS (
  SELECT DISTINCT ON (u.symbol) u.symbol AS ticker, u.asset_id
    FROM unified u JOIN touched t ON t.ticker = u.symbol
   ORDER BY u.symbol, u.rank NULLS LAST, u.market_cap_usd DESC NULLS LAST, u.asset_id
), moved AS (
  INSERT INTO ticker_moves (ticker, from_asset_id, to_asset_id, run_id)
  SELECT b.ticker, t.asset_id, b.asset_id, :run_id
    FROM best b JOIN tickers t USING (ticker)
   WHERE t.asset_id <> b.asset_id
)
INSERT INTO tickers AS t (ticker, asset_id)
SELECT b.ticker, b.asset_id FROM best b LEFT JOIN tickers t USING (ticker)
 WHERE t.asset_id IS DISTINCT FROM b.asset_id
 ORDER BY b.ticker
ON CONFLICT (ticker) DO UPDATE SET asset_id = excluded.asset_id, since = clock_timestamp()
""")
