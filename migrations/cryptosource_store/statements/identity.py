"""Resolution of external ids to coins: candidates for a match, new coins, and owners of tickers.

A page with unknown ids takes the identity lock until its commit, so that two sources that meet the
same new coin at once cannot both mint it. Pages of known ids never take it.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

from cryptosource_store.statements.batching import batch

IDENTITY_LOCK = 727_003
"""Advisory lock (one key) of the transaction that resolves unknown ids."""

LOCK_IDENTITY = text(f"SELECT pg_advisory_xact_lock({IDENTITY_LOCK})")

VERSION_OF_UNIFIED = text("SELECT version FROM dataset_versions WHERE dataset = 'unified'")

# Primary key of data_changes, which has a row for each page that changed unified: there are only a
# few after a version that was read a moment ago.
CHANGED_BY_OTHERS = text("""
SELECT EXISTS (SELECT 1 FROM data_changes
                WHERE version > :version AND source_id IS DISTINCT FROM :source_id)
""")
LOCK_AND_CHECK_CHANGES = batch(LOCK_IDENTITY, CHANGED_BY_OTHERS)

# Index unified_symbol_idx, then a look-up of aliases by (asset_id, id_scope) for each. OFFSET 0
# stops the planner from hashing all aliases for every page instead.
CANDIDATES = text("""
SELECT u.asset_id, u.symbol, u.name, u.price_usd, u.market_cap_usd, u.rank, u.observed_at,
       EXISTS (SELECT 1 FROM asset_aliases a
                WHERE a.asset_id = u.asset_id AND a.id_scope = :id_scope OFFSET 0) AS taken
  FROM unified u
 WHERE u.symbol = ANY(CAST(:symbols AS text[]))
   AND u.asset_id <> ALL(CAST(:seen AS bigint[]))
""")

ALIASES = text("""
SELECT external_id, asset_id FROM asset_aliases
 WHERE id_scope = :id_scope AND external_id = ANY(CAST(:external_ids AS text[]))
""")

HAS_ALIAS = text("""
SELECT EXISTS (SELECT 1 FROM asset_aliases WHERE id_scope = :id_scope AND asset_id = :asset_id)
""")

# Ids for new coins, and whether the proposed slug of each is taken. The sequence's name is resolved
# once: doing so in each row costs more than all the rest. OFFSET 0: as above.
RESERVE_ASSETS = text("""
SELECT nextval(numbers.sequence) AS asset_id,
       EXISTS (SELECT 1 FROM assets a WHERE a.slug = wanted.slug OFFSET 0) AS taken
  FROM (SELECT CAST(pg_get_serial_sequence('assets', 'asset_id') AS regclass) AS sequence
        OFFSET 0) numbers
 CROSS JOIN unnest(CAST(:slugs AS text[])) WITH ORDINALITY AS wanted(slug, nth)
 ORDER BY nth
""")

# A look-up in the unique index of slugs for each.
TAKEN_SLUGS = text("SELECT slug FROM assets WHERE slug = ANY(CAST(:slugs AS text[]))")

COPY_ASSETS = "COPY assets (asset_id, slug, symbol, name) FROM STDIN"

COPY_ALIASES = (
    "COPY asset_aliases (id_scope, external_id, asset_id, method, confidence, evidence) FROM STDIN"
)


def lock_tickers(coins: str) -> TextClause:
    """Return a statement that locks the tickers which several coins share, for `move_tickers`.

    It needs index look-ups only.

    Args:
        coins: name of a table with a column `asset_id`.
    """
    # The owner of a shared ticker is decided under the lock of its row: two sources that change two
    # rivals at once would otherwise each decide by the other's old rank.
    return text(f"""
SELECT count(*) FROM (
  SELECT 1 FROM tickers t
   WHERE t.ticker IN (SELECT u.symbol FROM {coins} s JOIN unified u USING (asset_id))
     AND EXISTS (SELECT 1 FROM unified u WHERE u.symbol = t.ticker AND u.asset_id <> t.asset_id)
   ORDER BY t.ticker FOR NO KEY UPDATE OF t) locked
""")


def move_tickers(coins: str) -> TextClause:
    """Return a statement that decides who owns each ticker that the coins have or own.

    The owner is the coin of that symbol with the lowest rank, then the largest market cap, then the
    lowest asset_id. Only changes are written.

    Args:
        coins: as for `lock_tickers`.
    """
    return text(f"""
WITH touched AS (
  SELECT u.symbol AS ticker FROM {coins} s JOIN unified u USING (asset_id)
   WHERE u.symbol IS NOT NULL
  UNION
  SELECT t.ticker FROM {coins} s JOIN tickers t USING (asset_id)
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
