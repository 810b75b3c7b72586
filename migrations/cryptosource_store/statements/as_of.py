"""Records as of a past moment: from the observations that were known then, even if corrected since.

An observation is known from the beginning of the transaction of its page until the beginning of the
one that corrects or withdraws it. Names, symbols and ids are today's; `asset_id` never changes.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

from cryptosource_store.quote_fields import FIGURE_LIST, figure_list
from cryptosource_store.statements import record_pages as pages
from cryptosource_store.statements.coins import (
    MOVES_SHOWN,
    RECORD_FIELDS,
    SOURCE_NAMES,
    UNIFIED_VERSION,
    rfc3339,
)

# Lower than elsewhere: each coin that is counted has to be looked up as of the moment.
TOTAL_CAP = 1_001
"""Counting stops at this number."""

# One row. `now` is of the clock that stamps known_from, by which a moment is judged to be future.
RECORDED_SINCE = text(
    "SELECT (SELECT max(recorded_since) FROM knowledge) AS since, clock_timestamp() AS now"
)

_QUOTE = f"asset_id, source_id, observed_at, rank, {FIGURE_LIST}, run_id, known_from"
_KNOWN_BY = "q.known_from <= :as_of"
_KNOWN_AT = f"{_KNOWN_BY} AND q.known_until > :as_of"

KNOWN_QUOTES = f"""(
  SELECT {_QUOTE} FROM quotes q WHERE {_KNOWN_BY}
  UNION ALL
  SELECT {_QUOTE} FROM superseded_quotes q WHERE {_KNOWN_AT}) q"""
"""Replaces `quotes q` in FROM; the planner applies conditions and limits to both primary keys."""

# A load refuses observations that are more than a few minutes ahead of its clock. So the look-up
# can begin a day after the moment instead of at the newest observation.
_NEWEST = """SELECT {quote} FROM {table} q
    WHERE q.asset_id = a.asset_id AND q.source_id = o.source_id AND {known}
      AND q.observed_at <= CAST(:as_of AS timestamptz) + interval '1 day'
    ORDER BY q.observed_at DESC LIMIT 1"""

# The newest observation of each source. A source whose observations were all withdrawn is found in
# superseded_quotes only. Index quotes_latest_asset_idx, then primary keys.
VIEWS_AS_OF = f"""SELECT newest.* FROM (
    SELECT source_id FROM quotes_latest WHERE asset_id = a.asset_id
    UNION SELECT source_id FROM superseded_quotes WHERE asset_id = a.asset_id) o
 CROSS JOIN LATERAL (
    SELECT * FROM (
      ({_NEWEST.format(quote=_QUOTE, table="quotes", known=_KNOWN_BY)})
      UNION ALL
      ({_NEWEST.format(quote=_QUOTE, table="superseded_quotes", known=_KNOWN_AT)})) both_tables
     ORDER BY observed_at DESC LIMIT 1) newest"""

# The rules of page_load.upsert_unified, which derives the rows of today.
COIN_ROW_AS_OF = f"""
  WITH views AS MATERIALIZED ({VIEWS_AS_OF})
  SELECT v.asset_id, today.symbol, today.name, (SELECT min(rank) FROM views) AS rank,
         {figure_list("v")}, v.observed_at, v.source_id, v.run_id,
         (SELECT array_agg(source_id ORDER BY source_id) FROM views) AS source_ids,
         (SELECT CASE WHEN count(n.price_usd) > 1 AND min(n.price_usd) > 0
                      THEN (max(n.price_usd) - min(n.price_usd)) / min(n.price_usd) * 100 END
            FROM views n WHERE n.observed_at >= v.observed_at - interval '1 hour')
           AS spread_percent,
         (SELECT max(known_from) FROM views) AS updated_at
    FROM views v
   ORDER BY (v.price_usd IS NULL), v.observed_at DESC, v.source_id LIMIT 1"""

_TODAY = """LEFT JOIN unified now USING (asset_id)
 CROSS JOIN LATERAL (
   SELECT CASE WHEN now.asset_id IS NULL THEN a.symbol ELSE now.symbol END AS symbol,
          CASE WHEN now.asset_id IS NULL THEN a.name ELSE now.name END AS name) today"""

_SOURCES_ROWS = f"""CROSS JOIN LATERAL (
   SELECT v.*, today.symbol, today.name FROM ({VIEWS_AS_OF}) v
    WHERE v.source_id = ANY(ARRAY(SELECT source_id FROM chosen))) u"""


def rows_as_of(shape: pages.PageShape) -> str:
    """Return FROM and the joins of the records, with the aliases that `record_fields` expects."""
    shown_rows = _SOURCES_ROWS if shape.of_sources else "CROSS JOIN LATERAL (SELECT c.*) u"
    return f"""FROM assets a
  {_TODAY}
 CROSS JOIN LATERAL ({COIN_ROW_AS_OF}) c
  {shown_rows}
  LEFT JOIN tickers t ON t.ticker = c.symbol
  LEFT JOIN sources s ON s.source_id = u.source_id"""


def conditions_as_of(shape: pages.PageShape) -> list[str]:
    """Return the filters; those on the id and the symbol apply before a coin is looked up."""
    return [
        condition.replace("u.asset_id", "a.asset_id").replace("u.symbol", "today.symbol")
        for condition in shape.conditions
    ]


def order_as_of(shape: pages.PageShape) -> str:
    """Return the ORDER BY list. By asset_id, so that a page looks up its own coins only."""
    return f"a.asset_id {'DESC' if shape.descending else 'ASC'}, u.source_id"


def _after(shape: pages.PageShape) -> str:
    comparison = "<" if shape.descending else ">"
    if not shape.of_sources:
        return f"a.asset_id {comparison} :after_asset"
    return (
        f"a.asset_id {comparison}= :after_asset "
        "AND (a.asset_id <> :after_asset OR u.source_id > :after_source)"
    )


def page_as_of(shape: pages.PageShape) -> TextClause:
    """Return the statement of a page of records as of a moment, sorted by asset_id.

    A page looks up only its own coins, however far behind the first page its cursor is.

    Args:
        shape: with asset_id as its sort. The statement binds `as_of` and what
            `record_pages.page_statement` binds.
    """
    rows = rows_as_of(shape)
    filters = conditions_as_of(shape)
    after = [_after(shape)] if shape.after else []
    last = "FILTER (WHERE n = :size)"
    return text(f"""
WITH {pages.CHOSEN_SOURCES if shape.of_sources else ""}page AS MATERIALIZED (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT row_to_json(record)::text AS line, u.asset_id, u.source_id
      {rows}
      {SOURCE_NAMES}
     CROSS JOIN LATERAL (SELECT {RECORD_FIELDS}) record{pages.where([*filters, *after])}
     ORDER BY {order_as_of(shape)} LIMIT :size + 1 OFFSET :offset) ordered
)
SELECT {shape.version} AS version,
       (SELECT count(*) FROM (
          SELECT 1 {rows}{pages.where(filters)} LIMIT {TOTAL_CAP}) counted) AS total,
       count(*) AS found,
       COALESCE(string_agg(line, ',' ORDER BY n) FILTER (WHERE n <= :size), '') AS body,
       (max(asset_id) {last})::text AS last_key, max(asset_id) {last} AS last_asset,
       max(source_id) {last} AS last_source
  FROM page
""")


# inferred_time is stored in quotes_latest only, so it is null for any older observation.
COIN_AS_OF = text(f"""
SELECT {UNIFIED_VERSION} AS version, row_to_json(record)::text AS body
  {rows_as_of(pages.PageShape(of_sources=False))}
  {SOURCE_NAMES}
 CROSS JOIN LATERAL (
       SELECT {RECORD_FIELDS}, a.slug, {rfc3339("a.created_at")} AS first_seen_at,
              (SELECT COALESCE(json_agg(row_to_json(w) ORDER BY w.source, w.namespace), '[]'::json)
                 FROM (SELECT vs.name AS source, vs.source_type, vs.namespace, l.external_id,
                              COALESCE(l.symbol, today.symbol) AS symbol,
                              COALESCE(l.name, today.name) AS name, v.rank,
                              {figure_list("v")}, {rfc3339("v.observed_at")} AS observed_at,
                              CASE WHEN l.observed_at = v.observed_at THEN l.inferred_time END
                                AS inferred_time, v.run_id, NULL::json AS match
                         FROM ({VIEWS_AS_OF}) v JOIN sources vs USING (source_id)
                         LEFT JOIN quotes_latest l ON l.asset_id = v.asset_id
                                                  AND l.source_id = v.source_id) w) AS views,
              (SELECT COALESCE(json_agg(row_to_json(m)), '[]'::json)
                 FROM (SELECT ticker, from_asset_id, to_asset_id, {rfc3339("moved_at")} AS moved_at,
                              run_id
                         FROM ticker_moves
                        WHERE (from_asset_id = a.asset_id OR to_asset_id = a.asset_id)
                          AND moved_at <= :as_of
                        ORDER BY move_id DESC LIMIT {MOVES_SHOWN}) m) AS ticker_moves) record
 WHERE a.asset_id = :asset_id
""")
