"""Pages of records and of history: one statement each, so that page and total agree.

Each statement returns `version, total, found, body, last_key, last_asset, last_source`. It selects
one row more than the page has: `found` then tells whether another page follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlalchemy import TextClause, text

from cryptosource_store.quote_fields import BY_NAME, QUOTE_FIELDS, QuoteField, figure_list
from cryptosource_store.statements.coins import (
    RANK_KEY,
    SOURCE_NAMES,
    SOURCES_VERSION,
    UNIFIED_VERSION,
    coin_id_by_subqueries,
    record_fields,
    rfc3339,
)

TOTAL_CAP = 10_001
"""Counting stops at this number where the total is not stored."""


@dataclass(frozen=True, kw_only=True)
class SortKey:
    """A column that records can be sorted by."""

    expression: str
    cast: str
    """Type that the key in a cursor is cast to; a cursor holds `expression::text` of a row."""
    nullable: bool = True


def _of_field(field: QuoteField) -> SortKey:
    return SortKey(expression=f"u.{field.name}", cast=field.sql_type, nullable=not field.required)


SORT_KEYS = {
    "rank": _of_field(BY_NAME["rank"]),
    **{field.name: _of_field(field) for field in QUOTE_FIELDS if field.sortable},
    "asset_id": SortKey(expression="u.asset_id", cast="bigint", nullable=False),
}
"""By public name, the default first."""
BEST_FIRST = SortKey(expression=RANK_KEY, cast="integer", nullable=False)
"""Ascending rank reads unified_rank_idx; its COALESCE puts coins without a rank last."""

# A retired source is selected by its name only, not by its type, and only while no source that
# exists has this name.
CHOSEN_SOURCES = """chosen AS MATERIALIZED (
  SELECT source_id FROM sources s
   WHERE (retired_at IS NULL OR (name = :source AND NOT EXISTS (
            SELECT 1 FROM sources other WHERE other.namespace = s.namespace
               AND other.name = s.name AND other.retired_at IS NULL)))
     AND (CAST(:source AS text) IS NULL OR name = :source OR source_type = lower(:source))
     AND (CAST(:namespace AS text) IS NULL OR namespace = :namespace)
), """

UNIFIED_ROWS = "unified u"
SOURCE_ROWS = "quotes_latest u"
OF_CHOSEN_SOURCES = "u.source_id = ANY(ARRAY(SELECT source_id FROM chosen))"

BY_TICKER = "u.asset_id = (SELECT asset_id FROM tickers WHERE ticker = :ticker)"
BY_SYMBOL = "u.symbol = :symbol"
BY_PART_OF_SYMBOL = r"u.symbol LIKE :symbol ESCAPE '\'"
FROM_START = "u.observed_at >= :start"
UNTIL_END = "u.observed_at <= :end"

UNIFIED_TOTAL = "COALESCE((SELECT total FROM dataset_versions WHERE dataset = 'unified'), 0)"
SOURCES_TOTAL = """COALESCE((SELECT sum(total) FROM dataset_versions
   WHERE dataset IN (SELECT 'source:' || source_id FROM chosen)), 0)"""

_RECORD = record_fields(coin_id_by_subqueries("c"))
_COIN_OF_SOURCES = "JOIN unified c USING (asset_id)"
_COIN_ITSELF = "CROSS JOIN LATERAL (SELECT u.*) c"

LAST_SHOWN = "FILTER (WHERE n = :size)"


def sort_key(name: str, *, descending: bool) -> SortKey:
    """Return how to sort by a public name; NULLs come last either way."""
    return BEST_FIRST if name == "rank" and not descending else SORT_KEYS[name]


@dataclass(frozen=True, kw_only=True)
class PageShape:
    """The parameters that determine a page's SQL; equal shapes give equal SQL."""

    of_sources: bool
    """Records of single sources instead of the unified ones."""
    conditions: tuple[str, ...] = ()
    """Filters, which are constants of this module."""
    sort: str = "rank"
    descending: bool = False
    after: bool = False
    """Continue after a cursor."""
    after_null: bool = False
    """The sorted column is null in the cursor's row."""
    capped: bool = False
    """Count at most up to `TOTAL_CAP`."""

    @property
    def version(self) -> str:
        """SQL for the version of the data that the page shows."""
        return SOURCES_VERSION if self.of_sources else UNIFIED_VERSION

    @property
    def plans_alike(self) -> bool:
        """Whether one plan is best for all values, so that the statement can be prepared."""
        by_index = self.sort == "rank" and not self.descending
        return by_index and set(self.conditions) <= {BY_TICKER, BY_SYMBOL}


def _ties(*, of_sources: bool) -> tuple[str, str]:
    """Return the columns that order rows of equal keys, and the binds of the cursor's values.

    A coin has one row in unified, but one per source among the records of sources.
    """
    if of_sources:
        return "u.asset_id, u.source_id", ":after_asset, :after_source"
    return "u.asset_id", ":after_asset"


def _order(key: SortKey, ties: str, *, descending: bool) -> str:
    direction = "DESC" if descending else "ASC"
    nulls = " NULLS LAST" if key.nullable else ""
    return f"{key.expression} {direction}{nulls}, {ties}"


def _after(key: SortKey, shape: PageShape) -> str:
    """Return the condition for rows after the cursor's, in the order of `_order`."""
    column, value = key.expression, f"CAST(:after_key AS {key.cast})"
    ties, cursor = _ties(of_sources=shape.of_sources)
    if shape.after_null:
        return f"({column} IS NULL AND ({ties}) > ({cursor}))"
    if key is SORT_KEYS["asset_id"] and not shape.descending:
        return f"({ties}) > ({cursor})"
    if key is BEST_FIRST:
        # One row comparison instead of OR, because it is one range of unified_rank_idx.
        return f"({column}, {ties}) > ({value}, {cursor})"
    past_value = f"{column} {'<' if shape.descending else '>'} {value}"
    nulls = f" OR {column} IS NULL" if key.nullable else ""
    return f"({past_value} OR ({column} = {value} AND ({ties}) > ({cursor})){nulls})"


def order_of(shape: PageShape) -> str:
    """Return the ORDER BY list of a shape."""
    key = sort_key(shape.sort, descending=shape.descending)
    return _order(key, _ties(of_sources=shape.of_sources)[0], descending=shape.descending)


def where(conditions: Sequence[str]) -> str:
    """Return the WHERE clause of conditions; empty without conditions."""
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _total(shape: PageShape, rows: str, filters: Sequence[str]) -> str:
    if not shape.conditions:
        return SOURCES_TOTAL if shape.of_sources else UNIFIED_TOTAL
    if shape.capped:
        limited = f"SELECT 1 FROM {rows}{where(filters)} LIMIT {TOTAL_CAP}"
        return f"(SELECT count(*) FROM ({limited}) counted)"
    return f"(SELECT count(*) FROM {rows}{where(filters)})"


def _best_of_each_source(after: Sequence[str]) -> str:
    """Return FROM of a page by rank: the first rows of each source, which the page then merges."""
    # A scan of quotes_latest_rank_idx is in order for one source only.
    return f"""chosen CROSS JOIN LATERAL (
        SELECT u.* FROM {SOURCE_ROWS}{where(["u.source_id = chosen.source_id", *after])}
         ORDER BY {BEST_FIRST.expression}, u.asset_id
         LIMIT :size + 1 + :offset) u"""


@lru_cache(maxsize=256)
def page_statement(shape: PageShape) -> TextClause:
    """Return the statement of a page of records.

    Args:
        shape: of the page. The statement binds `size`, `offset`, the names in its conditions, and
            after a cursor `after_key`, `after_asset` and `after_source`.
    """
    # By rank, a first page and any page after a cursor read `size + 1` entries of unified_rank_idx,
    # or of quotes_latest_rank_idx per source. Other sorts keep the first `size + 1` rows of a scan.
    rows = SOURCE_ROWS if shape.of_sources else UNIFIED_ROWS
    own = [OF_CHOSEN_SOURCES] if shape.of_sources else []
    filters = [*own, *shape.conditions]
    key = sort_key(shape.sort, descending=shape.descending)
    after = [_after(key, shape)] if shape.after else []
    selected = f"{rows}{where([*filters, *after])}"
    if shape.of_sources and key is BEST_FIRST and not shape.conditions:
        selected = _best_of_each_source(after)
    ties, _ = _ties(of_sources=shape.of_sources)
    # By the column of the inner query's sort, so that the planner need not sort again.
    order = _order(replace(key, expression="u.sort_value"), ties, descending=shape.descending)
    return text(f"""
{f"WITH {CHOSEN_SOURCES.rstrip(', ')}" if shape.of_sources else ""}
SELECT {shape.version} AS version, {_total(shape, rows, filters)} AS total, count(*) AS found,
       COALESCE(array_to_string(
         (array_agg(row_to_json(record)::text ORDER BY {order}))[1:CAST(:size AS integer)], ','),
         '') AS body,
       ({_last_shown("u.sort_value", order)})::text AS last_key,
       {_last_shown("u.asset_id", order)} AS last_asset,
       {_last_shown("u.source_id", order)} AS last_source
  FROM (
    SELECT u.*, {key.expression} AS sort_value
      FROM {selected}
     ORDER BY {order_of(shape)}
     LIMIT :size + 1 OFFSET :offset) u
  {_COIN_OF_SOURCES if shape.of_sources else _COIN_ITSELF}
  LEFT JOIN sources s ON s.source_id = u.source_id
  {SOURCE_NAMES}
 CROSS JOIN LATERAL (SELECT {_RECORD}) record
""")


def _last_shown(expression: str, order: str) -> str:
    return f"(array_agg({expression} ORDER BY {order}))[CAST(:size AS integer)]"


OBSERVATION_FIELDS = f"""{rfc3339("u.observed_at")} AS observed_at, s.name AS source, s.source_type,
         s.namespace, u.rank, {figure_list("u")}, u.run_id"""
"""SELECT list of an observation: `u` is its quote, `s` its source."""

# Ranges of the primary key (asset, source, time), only in the months between start and end.
OF_COIN_IN_RANGE = """ WHERE q.asset_id = :asset_id
   AND q.source_id = ANY(CAST(:source_ids AS integer[]))
   AND q.observed_at >= :start AND q.observed_at <= :end"""


@lru_cache
def history_statement(*, descending: bool, after: bool, quotes: str = "quotes q") -> TextClause:
    """Return the statement of a page of one coin's observations by all its sources, sorted by time.

    Args:
        descending: newest first.
        after: continue after `after_key` (a time) and `after_source`.
        quotes: table expression of the observations, with the alias `q`.
    """
    # Per source it reads at most `size + 1` entries of the primary key (asset, source, time), only
    # in the months between `start`, `end` and the cursor.
    direction, comparison = ("DESC", "<=") if descending else ("ASC", ">=")
    in_range = """q.asset_id = :asset_id AND q.source_id = chosen.source_id
           AND q.observed_at >= :start AND q.observed_at <= :end"""
    after_cursor = f""" AND q.observed_at {comparison} :after_key
           AND (q.observed_at <> :after_key OR q.source_id > :after_source)"""
    return text(f"""
WITH chosen AS (SELECT unnest(CAST(:source_ids AS integer[])) AS source_id), page AS (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT q.* FROM chosen CROSS JOIN LATERAL (
        SELECT * FROM {quotes}
         WHERE {in_range}{after_cursor if after else ""}
         ORDER BY q.observed_at {direction} LIMIT :size + 1) q
     ORDER BY q.observed_at {direction}, q.source_id LIMIT :size + 1) ordered
)
SELECT {UNIFIED_VERSION} AS version,
       (SELECT count(*) FROM (SELECT 1 FROM chosen CROSS JOIN LATERAL (
          SELECT 1 FROM {quotes} WHERE {in_range}) counted LIMIT {TOTAL_CAP}) capped) AS total,
       count(*) AS found,
       COALESCE(string_agg(row_to_json(record)::text, ',' ORDER BY n) FILTER (WHERE n <= :size),
                '') AS body,
       (max(u.observed_at) {LAST_SHOWN})::text AS last_key,
       max(u.asset_id) {LAST_SHOWN} AS last_asset, max(u.source_id) {LAST_SHOWN} AS last_source
  FROM page u
  LEFT JOIN sources s USING (source_id)
 CROSS JOIN LATERAL (
       SELECT {OBSERVATION_FIELDS}) record
""")
