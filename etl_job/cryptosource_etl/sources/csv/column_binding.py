"""The manifest's columns, bound to the columns that a file really has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from cryptosource_etl.errors import Permanent
from cryptosource_etl.sources.csv.file_format import ColumnSettings, FileFormat, manifest_name
from cryptosource_etl.sources.numbers import number_parser, rank_of
from cryptosource_etl.sources.symbols import clean_id, clean_name, clean_symbol
from cryptosource_etl.sources.times import time_parser, zone_named
from cryptosource_store.quote_fields import BY_NAME, UPSTREAM_FIELDS, FieldKind
from cryptosource_store.reasons import Reason

Parser = Callable[[str], Any]
"""Reads the text of a cell: a value, None for unknown, or what says why it is refused."""
TEXTS_REMEMBERED = 32_768
"""Symbols, ids and names whose reading is kept: more than there are coins, some 20 000."""
_NAMES_SHOWN = 12


_TEXTS: Mapping[str, Parser] = {
    "external_id": clean_id,
    "symbol": clean_symbol,
    "name": clean_name,
}


@dataclass(frozen=True)
class BoundColumn:
    """Where one field of a quote is found in a row, and how it is read."""

    field: str
    header: str
    """The column's name, or the field's where it is a constant."""
    index: int
    """Of the cell; 0 for a constant, which does not look at it."""
    parse: Parser
    is_constant: bool = False


def _parser_of(field: str, column: ColumnSettings, settings: FileFormat) -> Parser:
    kind = BY_NAME[field].kind
    if kind is FieldKind.TEXT:
        return lru_cache(maxsize=TEXTS_REMEMBERED)(_TEXTS[field])
    if kind is FieldKind.TIME:
        return time_parser(column.format, zone=zone_named(column.time_zone))
    number = number_parser(decimal=settings.decimal, percent=kind is FieldKind.PERCENT)
    return (lambda text: rank_of(number(text))) if kind is FieldKind.RANK else number


def _translated(parse: Parser, values: Mapping[str, str]) -> Parser:
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
    field: str, column: ColumnSettings, settings: FileFormat, header: Mapping[str, int]
) -> BoundColumn | None:
    parse = _parser_of(field, column, settings)
    if column.column is None:
        value = parse(column.constant or "")
        return BoundColumn(field, field, 0, lambda _: value, is_constant=True)
    index = header.get(column.column, header.get(column.column.strip()))
    if index is None:
        return None
    return BoundColumn(field, column.column, index, _translated(parse, column.values))


def bind(settings: FileFormat, names: Sequence[str]) -> dict[str, BoundColumn]:
    """Return the fields that a row with these columns has; what is not there is left out."""
    header = {name: index for index, name in enumerate(names)}
    return {
        field: bound
        for field in UPSTREAM_FIELDS
        if (column := settings.columns.get(field)) is not None
        and (bound := _bind_one(field, column, settings, header)) is not None
    }


def _spelled(field: str) -> str:
    return f"csv.columns.{manifest_name(field)}"


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(name[:32] for name in names[:_NAMES_SHOWN]) + more


def missing_columns(settings: FileFormat, names: Sequence[str]) -> list[str]:
    """Return the columns that the manifest asks for by name and that are not there."""
    present = set(names)
    return [
        column.column
        for column in settings.columns.values()
        if column.explicit
        and column.column is not None
        and column.column not in present
        and column.column.strip() not in present
    ]


def check_columns(settings: FileFormat, names: Sequence[str]) -> None:
    """Refuse a mapping that cannot work on a file with these columns.

    Raises:
        Permanent: InvalidSpec; it says what there is and what to map.
    """
    missing = missing_columns(settings, names)
    if missing:
        field = next(f for f, c in settings.columns.items() if c.column == missing[0])
        folded = {name.casefold(): name for name in names}
        close = get_close_matches(missing[0].casefold(), folded, n=1, cutoff=0.5)
        hint = f"; did you mean {folded[close[0]]!r}?" if close else ""
        raise Permanent(
            Reason.INVALID_SPEC,
            f"{_spelled(field)}: no column {missing[0][:64]!r}{hint} There are: {_shown(names)}",
        )
    bound = bind(settings, names)
    if "symbol" not in bound and "external_id" not in bound:
        raise Permanent(
            Reason.INVALID_SPEC,
            "map csv.columns.symbol or externalId to a column, or to {value: BTC} if the file is "
            f"about one coin. There are: {_shown(names)}",
        )
    if "price_usd" not in bound:
        raise Permanent(
            Reason.INVALID_SPEC,
            f"map csv.columns.priceUsd to the column of prices. There are: {_shown(names)}",
        )
    _check_constants(bound)


def _check_constants(bound: Mapping[str, BoundColumn]) -> None:
    for column in bound.values():
        detail = getattr(column.parse(""), "detail", None) if column.is_constant else None
        if detail is not None:
            raise Permanent(Reason.INVALID_SPEC, f"{_spelled(column.field)}.value: {detail}")
