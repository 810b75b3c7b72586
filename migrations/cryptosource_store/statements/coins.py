"""Coins as the API reads them: SQL fragments of records, and the statements about one coin.

Values are always bound; statements are assembled from the constants below only.
"""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.quote_fields import figure_list
from cryptosource_store.statements.counted_runs import asked_upstream
from cryptosource_store.tables.market import UNRANKED

# Postgres builds the JSON of all answers: NUMERIC keeps all its digits, and a page costs a fifth of
# what building it in Python does.
RANK_KEY = f"COALESCE(u.rank, {UNRANKED})"
"""The expression of unified_rank_idx."""


def rfc3339(column: str) -> str:
    """Return SQL for a timestamptz as RFC 3339 text in UTC, without trailing zeros."""
    # to_json writes ISO 8601 whatever the session's DateStyle and TimeZone are.
    return f"(to_json({column} AT TIME ZONE 'UTC') #>> '{{}}') || 'Z'"


def coin_id(coin: str, *, asset: str = "a", ticker: str = "t") -> str:
    """Return SQL for a coin's public id: its symbol when it owns that ticker, else `SYMBOL~slug`.

    Args:
        coin: alias of a row with the coin's current symbol and its asset_id.
        asset: alias of its row in assets.
        ticker: alias of the left-joined row of tickers for the symbol.
    """
    # A symbol that contains a tilde is never an id by itself: RESOLVE_ID takes every id with a
    # tilde for one with a slug.
    return (
        f"CASE WHEN {ticker}.asset_id = {coin}.asset_id AND strpos({coin}.symbol, '~') = 0 "
        f"THEN {coin}.symbol ELSE COALESCE({coin}.symbol, '') || '~' || {asset}.slug END"
    )


def coin_id_by_subqueries(coin: str) -> str:
    """Return SQL for the same public id as `coin_id`, by subqueries instead of joins.

    Faster for a page of coins; for a whole table the joins of `coin_id` are.

    Args:
        coin: alias of a row with the coin's current symbol and its asset_id.
    """
    # Tickers by asset_id are found faster than by text, and only coins that do not own theirs need
    # a look-up of the slug.
    owned = f"ARRAY(SELECT o.ticker FROM tickers o WHERE o.asset_id = {coin}.asset_id)"
    slug = f"(SELECT i.slug FROM assets i WHERE i.asset_id = {coin}.asset_id)"
    return (
        f"CASE WHEN strpos({coin}.symbol, '~') = 0 AND {coin}.symbol = ANY({owned}) "
        f"THEN {coin}.symbol ELSE COALESCE({coin}.symbol, '') || '~' || {slug} END"
    )


# A lateral join and no subquery in the SELECT list: its result is computed once for each distinct
# source_ids (Memoize), and coins share their sources.
SOURCE_NAMES = """LEFT JOIN LATERAL (
       SELECT COALESCE(json_agg(n.name ORDER BY n.name), '[]'::json) AS names
         FROM sources n WHERE n.source_id = ANY(c.source_ids)) named ON true"""
"""Join that adds `named.names`, the names of the sources of coin `c`."""


def record_fields(public_id: str) -> str:
    """Return the SELECT list of a record.

    `u` is the row shown, `c` its coin in unified, `s` its source, and `named` is of `SOURCE_NAMES`.

    Args:
        public_id: SQL for the coin's public id.
    """
    return f"""{public_id} AS id, u.asset_id, u.symbol, u.name, u.rank,
         {figure_list("u")}, {rfc3339("u.observed_at")} AS observed_at,
         s.name AS source, s.source_type, s.namespace, named.names AS sources,
         c.spread_percent, {rfc3339("c.updated_at")} AS updated_at"""


RECORD_FIELDS = record_fields(coin_id("c"))
"""A record, for statements that also join `a` of assets and `t` of tickers (see `coin_id`)."""

UNIFIED_VERSION = """(SELECT version || '.' || (extract(epoch FROM changed_at) * 1000000)::bigint
   FROM dataset_versions WHERE dataset = 'unified')"""
"""Version of the data: changes with each load that changed anything. It contains the time because a
database that was restored from a backup assigns the same numbers again."""

SOURCES_VERSION = f"""(SELECT COALESCE({UNIFIED_VERSION}, '0') || '/' || count(*) || '-'
     || count(retired_at) || '-'
     || COALESCE((extract(epoch FROM max(retired_at)) * 1000000)::bigint, 0) FROM sources)"""
"""Version for answers that also depend on the set of sources: it changes when one is registered,
retired or adopted again, even before that loads anything."""

# Cached answers are valid while these are unchanged. One row by primary key, and a scan of the few
# sources.
DATA_VERSION = text(f"SELECT {UNIFIED_VERSION} AS version, {SOURCES_VERSION} AS of_sources")

# Both arms are look-ups by unique key. An id with a tilde always means its slug.
RESOLVE_ID = text("""
SELECT asset_id FROM tickers WHERE CAST(:slug AS text) IS NULL AND ticker = :ticker
UNION ALL
SELECT asset_id FROM assets WHERE slug = :slug
""")

# Index quotes_latest_asset_idx, then unique keys; asset_aliases by (asset_id, id_scope).
COIN_VIEWS = f"""
SELECT COALESCE(json_agg(row_to_json(v) ORDER BY v.source, v.namespace), '[]'::json)
  FROM (SELECT s.name AS source, s.source_type, s.namespace, l.external_id, l.symbol, l.name,
               l.rank, {figure_list("l")}, {rfc3339("l.observed_at")} AS observed_at,
               l.inferred_time, l.run_id, m.match
          FROM quotes_latest l JOIN sources s USING (source_id)
          LEFT JOIN LATERAL (
               SELECT json_build_object('id_scope', x.id_scope, 'method', x.method,
                      'confidence', x.confidence, 'evidence', x.evidence,
                      'matched_at', {rfc3339("x.created_at")}) AS match
                 FROM asset_aliases x
                WHERE x.asset_id = l.asset_id AND x.external_id = l.external_id
                ORDER BY starts_with(x.id_scope, s.source_type) DESC, x.id_scope
                LIMIT 1) m ON true
         WHERE l.asset_id = c.asset_id) v
"""

MOVES_SHOWN = 50
"""Maximum number of ticker moves shown of one coin, newest first."""

# ticker_moves is small: one row per change of owner. It has no index by asset.
TICKER_MOVES = f"""
SELECT COALESCE(json_agg(row_to_json(m)), '[]'::json)
  FROM (SELECT ticker, from_asset_id, to_asset_id, {rfc3339("moved_at")} AS moved_at, run_id
          FROM ticker_moves
         WHERE from_asset_id = c.asset_id OR to_asset_id = c.asset_id
         ORDER BY move_id DESC LIMIT {MOVES_SHOWN}) m
"""

# Primary keys, except for ticker_moves.
COIN = text(f"""
SELECT {UNIFIED_VERSION} AS version, row_to_json(record)::text AS body
  FROM unified c
  JOIN assets a USING (asset_id)
  LEFT JOIN tickers t ON t.ticker = c.symbol
  LEFT JOIN sources s ON s.source_id = c.source_id
  {SOURCE_NAMES}
 CROSS JOIN LATERAL (SELECT c.*) u
 CROSS JOIN LATERAL (
       SELECT {RECORD_FIELDS}, a.slug, {rfc3339("a.created_at")} AS first_seen_at,
              ({COIN_VIEWS}) AS views, ({TICKER_MOVES}) AS ticker_moves) record
 WHERE c.asset_id = :asset_id
""")

# All sources that ever observed the coin, retired ones too: their history is kept.
HISTORY_SOURCES = text("""
SELECT DISTINCT s.source_id
  FROM (SELECT source_id FROM quotes_latest WHERE asset_id = :asset_id
        UNION SELECT source_id FROM superseded_quotes WHERE asset_id = :asset_id) l
  JOIN sources s USING (source_id)
 WHERE (CAST(:source AS text) IS NULL OR s.name = :source OR s.source_type = lower(:source))
   AND (CAST(:namespace AS text) IS NULL OR s.namespace = :namespace)
 ORDER BY s.source_id
""")

TOP_COINS = 10
"""Number of coins by market cap in the summary."""

# Scans unified twice and sums the totals of runs: some 10 ms, once per version of the data.
SUMMARY = text(f"""
SELECT {SOURCES_VERSION} AS version, row_to_json(summary)::text AS body FROM (
  SELECT COALESCE((SELECT total FROM dataset_versions WHERE dataset = 'unified'), 0) AS coins,
         (SELECT count(*) FROM (SELECT 1 FROM unified WHERE symbol IS NOT NULL
                                 GROUP BY symbol HAVING count(*) > 1) shared) AS shared_tickers,
         (SELECT {rfc3339("min(observed_at)")} FROM unified) AS oldest_observation,
         (SELECT {rfc3339("max(observed_at)")} FROM unified) AS newest_observation,
         (SELECT COALESCE(json_agg(row_to_json(x) ORDER BY x.namespace, x.source), '[]'::json)
            FROM (SELECT s.name AS source, s.source_type, s.namespace,
                         COALESCE(d.total, 0) AS records,
                         (SELECT COALESCE(sum(t.loaded), 0) FROM etl_run_totals t
                           WHERE t.source_id = s.source_id)
                         + (SELECT COALESCE(sum(r.loaded), 0) FROM etl_runs r
                             WHERE r.source_id = s.source_id AND r.finished_at IS NULL
                               AND {asked_upstream("r")}) AS quotes,
                         {rfc3339("d.changed_at")} AS changed_at
                    FROM sources s
                    LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id
                   WHERE s.retired_at IS NULL) x) AS sources,
         (SELECT COALESCE(json_agg(row_to_json(x) ORDER BY x.market_cap_usd DESC, x.asset_id),
                          '[]'::json)
            FROM (SELECT {coin_id("c")} AS id, c.asset_id, c.symbol, c.name, c.rank, c.price_usd,
                         c.market_cap_usd
                    FROM (SELECT * FROM unified WHERE market_cap_usd IS NOT NULL
                           ORDER BY market_cap_usd DESC, asset_id LIMIT {TOP_COINS}) c
                    JOIN assets a USING (asset_id)
                    LEFT JOIN tickers t ON t.ticker = c.symbol) x) AS top_by_market_cap
) summary
""")
