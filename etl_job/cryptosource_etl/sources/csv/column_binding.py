"""The binding of the manifest's columns to the columns of a file's header."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from cryptosource_etl.errors import Permanent
from cryptosource_etl.sources.csv.csv_settings import ColumnSettings, CsvSettings, manifest_name
from cryptosource_etl.sources.numbers import number_parser, rank_of
from cryptosource_etl.sources.symbols import clean_id, clean_name, clean_symbol
from cryptosource_etl.sources.times import time_parser, zone_named
from cryptosource_store.quote_fields import BY_NAME, UPSTREAM_FIELDS, FieldKind
from cryptosource_store.reasons import Reason

Parser = Callable[[str], Any]
"""Parses the text of a cell: a value, None for unknown, or the reason of a rejection."""
# More than there are coins, some 20 000.
CACHE_SIZE = 32_768
"""Entries of the cache of parsed symbols, ids or names."""
_MAX_NAMES_LISTED = 12


_TEXTS: Mapping[str, Parser] = {
    "external_id": clean_id,
    "symbol": clean_symbol,
    "name": clean_name,
}


@dataclass(frozen=True)
class BoundColumn:
    """The position of one field of a quote in a row, and its parser."""

    field: str
    header: str
    """The column's name; for a constant the field's name."""
    index: int
    """Index of the cell; 0 for a constant, whose parser ignores the cell."""
    parse: Parser
    is_constant: bool = False


def _parser_of(field: str, column: ColumnSettings, settings: CsvSettings) -> Parser:
    kind = BY_NAME[field].kind
    if kind is FieldKind.TEXT:
        # A history file repeats its few coins in millions of rows.
        return lru_cache(maxsize=CACHE_SIZE)(_TEXTS[field])
    if kind is FieldKind.TIME:
        return time_parser(column.format, zone=zone_named(column.time_zone))
    number = number_parser(decimal=settings.decimal, percent=kind is FieldKind.PERCENT)
    return (lambda text: rank_of(number(text))) if kind is FieldKind.RANK else number


def _translate_values(parse: Parser, values: Mapping[str, str]) -> Parser:
    if not values:
        return parse

    def translate(text: str) -> Any:
        found = values.get(text)
        if found is None:
            stripped = text.strip()
            found = values.get(stripped, text)
        return parse(found)

    return translate


def _bind_one(
    field: str, column: ColumnSettings, settings: CsvSettings, header: Mapping[str, int]
) -> BoundColumn | None:
    parse = _parser_of(field, column, settings)
    if column.column is None:
        value = parse(column.constant or "")
        return BoundColumn(field, field, 0, lambda _: value, is_constant=True)
    # The names of a header are stripped; a manifest may copy them with their blanks.
    index = header.get(column.column, header.get(column.column.strip()))
    if index is None:
        return None
    return BoundColumn(field, column.column, index, _translate_values(parse, column.values))


def bind(settings: CsvSettings, names: Sequence[str]) -> dict[str, BoundColumn]:
    """Return the fields that a row with these columns has; others are left out."""
    header = {name: index for index, name in enumerate(names)}
    return {
        field: bound
        for field in UPSTREAM_FIELDS
        if (column := settings.columns.get(field)) is not None
        and (bound := _bind_one(field, column, settings, header)) is not None
    }


def _manifest_path(field: str) -> str:
    return f"csv.columns.{manifest_name(field)}"


def _format_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES_LISTED} more" if len(names) > _MAX_NAMES_LISTED else ""
    return ", ".join(name[:32] for name in names[:_MAX_NAMES_LISTED]) + more


def missing_columns(settings: CsvSettings, names: Sequence[str]) -> list[str]:
    """Return the columns that the manifest names explicitly and that are missing."""
    present = set(names)
    return [
        column.column
        for column in settings.columns.values()
        if column.explicit
        and column.column is not None
        and column.column not in present
        and column.column.strip() not in present
    ]


def check_columns(settings: CsvSettings, names: Sequence[str]) -> None:
    """Check that the manifest's mapping works on a file with these columns.

    Raises:
        Permanent: InvalidSpec; the message lists the columns and says what to map.
    """
    missing = missing_columns(settings, names)
    if missing:
        field = next(f for f, c in settings.columns.items() if c.column == missing[0])
        folded = {name.casefold(): name for name in names}
        close = get_close_matches(missing[0].casefold(), folded, n=1, cutoff=0.5)
        hint = f"; did you mean {folded[close[0]]!r}?" if close else ""
        raise Permanent(
            Reason.INVALID_SPEC,
            f"{_manifest_path(field)}: no column {missing[0][:64]!r}{hint} There are: {_format_names(names)}",
        )
    bound = bind(settings, names)
    if "symbol" not in bound and "external_id" not in bound:
        raise Permanent(
            Reason.INVALID_SPEC,
            "map csv.columns.symbol or externalId to a column, or to {value: BTC} if the file is "
            f"about one coin. There are: {_format_names(names)}",
        )
    if "price_usd" not in bound:
        raise Permanent(
            Reason.INVALID_SPEC,
            f"map csv.columns.priceUsd to the column of prices. There are: {_format_names(names)}",
        )
    _check_constants(bound)


def _check_constants(bound: Mapping[str, BoundColumn]) -> None:
    for column in bound.values():
        detail = getattr(column.parse(""), "detail", None) if column.is_constant else None
        if detail is not None:
            raise Permanent(Reason.INVALID_SPEC, f"{_manifest_path(column.field)}.value: {detail}")
