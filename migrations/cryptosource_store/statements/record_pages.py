"""Pages of records and of history: one statement each, with the total in the same snapshot.

A page asks for one row more than it shows, so that it knows whether another one follows. Each
statement returns `version, total, found, body, last_key, last_asset, last_source`.
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
    coin_id_looked_up,
    record_fields,
    rfc3339,
)

TOTAL_CAP = 10_001
"""Counting stops there where no index and no counter row knows the total."""


@dataclass(frozen=True, kw_only=True)
class SortKey:
    """A column that records can be sorted by."""

    expression: str
    cast: str
    """Type that a cursor's text is cast to; the text is `expression::text` of a row."""
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

# A retired source answers to its own name alone, and only while nobody else goes by it.
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

_RECORD = record_fields(coin_id_looked_up("c"))
_COIN_OF_SOURCES = "JOIN unified c USING (asset_id)"
_COIN_ITSELF = "CROSS JOIN LATERAL (SELECT u.*) c"

LAST_SHOWN = "FILTER (WHERE n = :size)"


def sort_key(name: str, *, descending: bool) -> SortKey:
    """Return how to sort by a public name; NULLs come last either way."""
    return BEST_FIRST if name == "rank" and not descending else SORT_KEYS[name]


@dataclass(frozen=True, kw_only=True)
class PageShape:
    """What a page's statement is made of; equal shapes are the same SQL."""

    of_sources: bool
    """The sources' own records instead of the unified ones."""
    conditions: tuple[str, ...] = ()
    """Filters out of this module's constants."""
    sort: str = "rank"
    descending: bool = False
    after: bool = False
    """Go on behind a cursor."""
    after_null: bool = False
    """…whose row has no value in the sorted column."""
    capped: bool = False
    """Count no further than `TOTAL_CAP`."""

    @property
    def version(self) -> str:
        """SQL for the version of what it is read from."""
        return SOURCES_VERSION if self.of_sources else UNIFIED_VERSION

    @property
    def plans_alike(self) -> bool:
        """Whether one plan is the best for all values: a sort by index and look-ups by key."""
        by_index = self.sort == "rank" and not self.descending
        return by_index and set(self.conditions) <= {BY_TICKER, BY_SYMBOL}


def _ties(*, of_sources: bool) -> tuple[str, str]:
    """Return the columns that order rows of equal keys, and where the cursor stands in them.

    A coin is once in unified; among sources' own records it is once for each source.
    """
    if of_sources:
        return "u.asset_id, u.source_id", ":after_asset, :after_source"
    return "u.asset_id", ":after_asset"


def _order(key: SortKey, ties: str, *, descending: bool) -> str:
    direction = "DESC" if descending else "ASC"
    nulls = " NULLS LAST" if key.nullable else ""
    return f"{key.expression} {direction}{nulls}, {ties}"


def _after(key: SortKey, shape: PageShape) -> str:
    """Return the condition for rows behind the cursor's, in the order of `_order`."""
    column, value = key.expression, f"CAST(:after_key AS {key.cast})"
    ties, stand = _ties(of_sources=shape.of_sources)
    if shape.after_null:
        return f"({column} IS NULL AND ({ties}) > ({stand}))"
    if key is SORT_KEYS["asset_id"] and not shape.descending:
        return f"({ties}) > ({stand})"
    if key is BEST_FIRST:
        return f"({column}, {ties}) > ({value}, {stand})"  # a row comparison: one index range
    beyond = f"{column} {'<' if shape.descending else '>'} {value}"
    nulls = f" OR {column} IS NULL" if key.nullable else ""
    return f"({beyond} OR ({column} = {value} AND ({ties}) > ({stand})){nulls})"


def order_of(shape: PageShape) -> str:
    """Return what the rows of a shape are ordered by."""
    key = sort_key(shape.sort, descending=shape.descending)
    return _order(key, _ties(of_sources=shape.of_sources)[0], descending=shape.descending)


def where(conditions: Sequence[str]) -> str:
    """Return the WHERE clause of conditions, which may be none."""
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _total(shape: PageShape, rows: str, filters: Sequence[str]) -> str:
    if not shape.conditions:
        return SOURCES_TOTAL if shape.of_sources else UNIFIED_TOTAL
    if shape.capped:
        limited = f"SELECT 1 FROM {rows}{where(filters)} LIMIT {TOTAL_CAP}"
        return f"(SELECT count(*) FROM ({limited}) counted)"
    return f"(SELECT count(*) FROM {rows}{where(filters)})"


def _best_of_each_source(after: Sequence[str]) -> str:
    """Return the rows among which those of a page by rank are: a few of each source.

    One scan of several sources comes in no order, so each is asked by itself.
    """
    return f"""chosen CROSS JOIN LATERAL (
        SELECT u.* FROM {SOURCE_ROWS}{where(["u.source_id = chosen.source_id", *after])}
         ORDER BY {BEST_FIRST.expression}, u.asset_id
         LIMIT :size + 1 + :offset) u"""


@lru_cache(maxsize=256)
def page_statement(shape: PageShape) -> TextClause:
    """Return the statement of a page of records.

    The first page and any page behind a cursor by rank read `size + 1` entries of
    unified_rank_idx, or of quotes_latest_rank_idx for each source; other sorts keep the best
    `size + 1` rows of one scan.

    Args:
        shape: binds `size`, `offset`, what its conditions name, and behind a cursor `after_key`,
            `after_asset` and `after_source`.
    """
    rows = SOURCE_ROWS if shape.of_sources else UNIFIED_ROWS
    own = [OF_CHOSEN_SOURCES] if shape.of_sources else []
    filters = [*own, *shape.conditions]
    key = sort_key(shape.sort, descending=shape.descending)
    after = [_after(key, shape)] if shape.after else []
    asked = f"{rows}{where([*filters, *after])}"
    if shape.of_sources and key is BEST_FIRST and not shape.conditions:
        asked = _best_of_each_source(after)
    ties, _ = _ties(of_sources=shape.of_sources)
    # By the column that the page was sorted into, so that the planner knows it need not sort again.
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
      FROM {asked}
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
"""An observation: `u` is its quote, `s` its source."""

# Of the primary key (asset, source, time), in the months that the range leaves.
OF_COIN_IN_RANGE = """ WHERE q.asset_id = :asset_id
   AND q.source_id = ANY(CAST(:source_ids AS integer[]))
   AND q.observed_at >= :start AND q.observed_at <= :end"""


@lru_cache
def history_statement(*, descending: bool, after: bool, quotes: str = "quotes q") -> TextClause:
    """Return the statement of a page of one coin's observations, of all its sources by time.

    For each source it reads at most `size + 1` entries of the primary key (asset, source, time),
    and only of the months that `start`, `end` and the cursor leave.

    Args:
        descending: newest first.
        after: go on behind `after_key` (a time) and `after_source`.
        quotes: what stands for the observations, as `q`.
    """
    direction, beyond = ("DESC", "<=") if descending else ("ASC", ">=")
    asked = """q.asset_id = :asset_id AND q.source_id = chosen.source_id
           AND q.observed_at >= :start AND q.observed_at <= :end"""
    behind = f""" AND q.observed_at {beyond} :after_key
           AND (q.observed_at <> :after_key OR q.source_id > :after_source)"""
    return text(f"""
WITH chosen AS (SELECT unnest(CAST(:source_ids AS integer[])) AS source_id), page AS (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT q.* FROM chosen CROSS JOIN LATERAL (
        SELECT * FROM {quotes}
         WHERE {asked}{behind if after else ""}
         ORDER BY q.observed_at {direction} LIMIT :size + 1) q
     ORDER BY q.observed_at {direction}, q.source_id LIMIT :size + 1) ordered
)
SELECT {UNIFIED_VERSION} AS version,
       (SELECT count(*) FROM (SELECT 1 FROM chosen CROSS JOIN LATERAL (
          SELECT 1 FROM {quotes} WHERE {asked}) counted LIMIT {TOTAL_CAP}) capped) AS total,
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
