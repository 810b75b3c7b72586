"""What the API reads of coins: fragments that a page is assembled from, and one coin's answers.

Postgres builds the JSON: NUMERIC comes out with all its digits, and a page costs a fifth of what
building it in Python does. Values are always bound; what is assembled are the constants below.
"""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.quote_fields import figure_list
from cryptosource_store.statements.run_history import asked_upstream
from cryptosource_store.tables.market import UNRANKED

RANK_KEY = f"COALESCE(u.rank, {UNRANKED})"
"""The expression of unified_rank_idx."""


def rfc3339(column: str) -> str:
    """Return SQL for a timestamptz as RFC 3339 text in UTC, with no more fraction than there is.

    `to_json` writes ISO 8601 whatever the session's DateStyle and TimeZone are.
    """
    return f"(to_json({column} AT TIME ZONE 'UTC') #>> '{{}}') || 'Z'"


def coin_id(coin: str, *, asset: str = "a", ticker: str = "t") -> str:
    """Return SQL for a coin's public id: its ticker when it owns it, else `SYMBOL~slug`.

    A symbol that holds a tilde itself never stands alone, so that whatever holds one is resolved
    by its slug.

    Args:
        coin: alias of a row with the coin's current symbol and its asset_id.
        asset: alias of its row in assets.
        ticker: alias of the left-joined owner of the symbol.
    """
    return (
        f"CASE WHEN {ticker}.asset_id = {coin}.asset_id AND strpos({coin}.symbol, '~') = 0 "
        f"THEN {coin}.symbol ELSE COALESCE({coin}.symbol, '') || '~' || {asset}.slug END"
    )


def coin_id_looked_up(coin: str) -> str:
    """Return SQL for a coin's public id, as `coin_id` does, without joins.

    For a page: it looks up what each coin owns, by number, which is faster than its ticker by text,
    and the slug only of those that do not own theirs. For a whole table the joins are cheaper.

    Args:
        coin: alias of a row with the coin's current symbol and its asset_id.
    """
    owned = f"ARRAY(SELECT o.ticker FROM tickers o WHERE o.asset_id = {coin}.asset_id)"
    slug = f"(SELECT i.slug FROM assets i WHERE i.asset_id = {coin}.asset_id)"
    return (
        f"CASE WHEN strpos({coin}.symbol, '~') = 0 AND {coin}.symbol = ANY({owned}) "
        f"THEN {coin}.symbol ELSE COALESCE({coin}.symbol, '') || '~' || {slug} END"
    )


SOURCE_NAMES = """LEFT JOIN LATERAL (
       SELECT COALESCE(json_agg(n.name ORDER BY n.name), '[]'::json) AS names
         FROM sources n WHERE n.source_id = ANY(c.source_ids)) named ON true"""
"""Joined to coins `c`: coins share their sources, and a join is computed once for each set of them."""


def record_fields(public_id: str) -> str:
    """Return SQL for the members of a record.

    `u` is what is shown, `c` its coin in unified, `s` the source shown, `named` is SOURCE_NAMES.

    Args:
        public_id: SQL for the coin's id.
    """
    return f"""{public_id} AS id, u.asset_id, u.symbol, u.name, u.rank,
         {figure_list("u")}, {rfc3339("u.observed_at")} AS observed_at,
         s.name AS source, s.source_type, s.namespace, named.names AS sources,
         c.spread_percent, {rfc3339("c.updated_at")} AS updated_at"""


RECORD_FIELDS = record_fields(coin_id("c"))
"""A record, whose coin is joined to its row in assets, `a`, and to its ticker's owner, `t`."""

UNIFIED_VERSION = """(SELECT version || '.' || (extract(epoch FROM changed_at) * 1000000)::bigint
   FROM dataset_versions WHERE dataset = 'unified')"""
"""Grows with each load that changed anything; the time tells a restored database apart."""

SOURCES_VERSION = f"""(SELECT COALESCE({UNIFIED_VERSION}, '0') || '/' || count(*) || '-'
     || count(retired_at) || '-'
     || COALESCE((extract(epoch FROM max(retired_at)) * 1000000)::bigint, 0) FROM sources)"""
"""For answers that also depend on which sources there are: one that is registered, retired or taken
up again changes it, before it loads anything."""

# One row by primary key, and a scan of the sources, which are few: what cached answers are checked
# against.
DATA_VERSION = text(f"SELECT {UNIFIED_VERSION} AS version, {SOURCES_VERSION} AS of_sources")

# Both arms are look-ups by unique key. Whatever holds a tilde names a slug, for ever.
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
"""Ticker moves shown of one coin, newest first."""

# ticker_moves is small: one row per change of owner. It has no index by asset.
TICKER_MOVES = f"""
SELECT COALESCE(json_agg(row_to_json(m)), '[]'::json)
  FROM (SELECT ticker, from_asset_id, to_asset_id, {rfc3339("moved_at")} AS moved_at, run_id
          FROM ticker_moves
         WHERE from_asset_id = c.asset_id OR to_asset_id = c.asset_id
         ORDER BY move_id DESC LIMIT {MOVES_SHOWN}) m
"""

# Primary keys all the way but for ticker_moves.
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

# Sources that ever spoke of the coin; retired ones keep their history.
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
"""Coins listed by market cap in the summary."""

# Scans unified twice and sums totals of runs by source: some 10 ms, once for each version of the data.
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
