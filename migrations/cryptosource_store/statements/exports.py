"""Rows of exports: whole lists by a server-side cursor, in the order of the pages.

A statement returns either one column with each row as JSON, or all columns as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import TextClause, text

from cryptosource_store.quote_fields import (
    BUCKETED,
    FIGURES,
    QUOTE_FIELDS,
    FieldKind,
    QuoteField,
)
from cryptosource_store.statements import as_of as past
from cryptosource_store.statements import candles
from cryptosource_store.statements import record_pages as pages
from cryptosource_store.statements.coins import RECORD_FIELDS, SOURCE_NAMES


class Kind(StrEnum):
    """The kind of value in a column."""

    TEXT = "text"
    INTEGER = "integer"
    AMOUNT = "amount"
    TIME = "time"
    NAMES = "names"
    """A list of names, separated by spaces in text; names never contain one."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of an export, and the member of that name in JSON."""

    name: str
    kind: Kind = Kind.TEXT

    @property
    def as_text(self) -> str:
        """SQL for its value as text."""
        # As text even for numbers: a NUMERIC keeps its digits in any format, and CSV needs no more.
        if self.kind is Kind.NAMES:
            return (
                f"(SELECT string_agg(name, ' ' ORDER BY name) "
                f"FROM json_array_elements_text(record.{self.name}) AS names(name))"
            )
        return f"record.{self.name}::text"


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name=name, kind=kind) for name, kind in kinds.items())


_KINDS = {
    FieldKind.TEXT: Kind.TEXT,
    FieldKind.TIME: Kind.TIME,
    FieldKind.RANK: Kind.INTEGER,
    FieldKind.AMOUNT: Kind.AMOUNT,
    FieldKind.PERCENT: Kind.AMOUNT,
}


def _of_fields(fields: Iterable[QuoteField], prefix: str = "") -> dict[str, Kind]:
    return {f"{prefix}{field.name}": _KINDS[field.kind] for field in fields if field.exported}


_SOURCE = {"source": Kind.TEXT, "source_type": Kind.TEXT, "namespace": Kind.TEXT}

RECORD_COLUMNS = _columns(
    id=Kind.TEXT,
    asset_id=Kind.INTEGER,
    **_of_fields(QUOTE_FIELDS),
    **_SOURCE,
    sources=Kind.NAMES,
    spread_percent=Kind.AMOUNT,
    updated_at=Kind.TIME,
)
OBSERVATION_COLUMNS = _columns(
    observed_at=Kind.TIME,
    **_SOURCE,
    rank=Kind.INTEGER,
    **_of_fields(FIGURES),
    run_id=Kind.TEXT,
)
BUCKET_COLUMNS = _columns(
    bucket_start=Kind.TIME,
    bucket_end=Kind.TIME,
    **_SOURCE,
    open=Kind.AMOUNT,
    high=Kind.AMOUNT,
    low=Kind.AMOUNT,
    close=Kind.AMOUNT,
    last=Kind.AMOUNT,
    count=Kind.INTEGER,
    last_observed_at=Kind.TIME,
    **_of_fields(BUCKETED, "last_"),
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of an export, each as `record`, and their order."""

    columns: tuple[Column, ...]
    source: str
    """FROM and WHERE."""
    order: str
    count_source: str
    """FROM and WHERE that yield the same number of rows, without joins for columns."""
    with_clause: str = ""
    """Common table expressions that `source` and `count_source` use."""

    def statement(self, *, as_json: bool) -> TextClause:
        """Return the statement of the rows; binds `most` and what `source` binds."""
        selected = (
            "row_to_json(record)::text"
            if as_json
            else ", ".join(column.as_text for column in self.columns)
        )
        return text(
            f"{self.with_clause} SELECT {selected} {self.source} ORDER BY {self.order} LIMIT :most"
        )

    def count(self) -> TextClause:
        """Return the statement that counts the rows, up to `most`."""
        counted = f"SELECT 1 {self.count_source} LIMIT :most"
        return text(f"{self.with_clause} SELECT count(*) FROM ({counted}) counted")


def records_as_of(shape: pages.PageShape) -> Rows:
    """Return the rows of a list of records as of a moment; also binds `as_of`."""
    counted = f"{past.rows_as_of(shape)}{{}}{pages.where(past.conditions_as_of(shape))}"
    return Rows(
        columns=RECORD_COLUMNS,
        with_clause=_with_chosen(shape),
        source=counted.format(
            f" {SOURCE_NAMES} CROSS JOIN LATERAL (SELECT {RECORD_FIELDS}) record"
        ),
        order=past.order_as_of(shape),
        count_source=counted.format(""),
    )


def bucket_rows(*, descending: bool, as_of: bool) -> Rows:
    """Return the rows of a down-sampled history; binds what `candles.buckets` binds."""
    counted = f"FROM ({candles.buckets(as_of=as_of)}) u"
    return Rows(
        columns=BUCKET_COLUMNS,
        source=f"""{counted}
  LEFT JOIN sources s USING (source_id)
 CROSS JOIN LATERAL (SELECT {candles.BUCKET_FIELDS}) record""",
        order=f"u.bucket {'DESC' if descending else 'ASC'}, u.source_id",
        count_source=counted,
    )


def _with_chosen(shape: pages.PageShape) -> str:
    return f"WITH {pages.CHOSEN_SOURCES.rstrip(', ')}" if shape.of_sources else ""


def records(shape: pages.PageShape) -> Rows:
    """Return the rows of a list of records.

    Args:
        shape: as for a page; its cursor and its way of counting are ignored.
    """
    rows = pages.SOURCE_ROWS if shape.of_sources else pages.UNIFIED_ROWS
    own = [pages.OF_CHOSEN_SOURCES] if shape.of_sources else []
    where = pages.where([*own, *shape.conditions])
    return Rows(
        columns=RECORD_COLUMNS,
        with_clause=_with_chosen(shape),
        source=f"""FROM {rows}
  JOIN unified c USING (asset_id)
  JOIN assets a USING (asset_id)
  LEFT JOIN tickers t ON t.ticker = c.symbol
  LEFT JOIN sources s ON s.source_id = u.source_id
  {SOURCE_NAMES}
 CROSS JOIN LATERAL (SELECT {RECORD_FIELDS}) record{where}""",
        order=pages.order_of(shape),
        count_source=f"FROM {rows}{where}",
    )


def observations(*, descending: bool, as_of: bool = False) -> Rows:
    """Return the rows of one coin's history.

    Binds `asset_id`, `source_ids`, `start` and `end`, and with `as_of` also that.
    """
    quotes = past.KNOWN_QUOTES if as_of else "quotes q"
    source = f"FROM {quotes}{pages.OF_COIN_IN_RANGE}"
    direction = "DESC" if descending else "ASC"
    return Rows(
        columns=OBSERVATION_COLUMNS,
        source=f"""FROM (SELECT q.* {source}) u
  LEFT JOIN sources s USING (source_id)
 CROSS JOIN LATERAL (SELECT {pages.OBSERVATION_FIELDS}) record""",
        order=f"u.observed_at {direction}, u.source_id",
        count_source=source,
    )
