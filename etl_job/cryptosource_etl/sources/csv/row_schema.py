"""Rows under one header: the id and the digest of each, and its quote or rejection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import call, itemgetter
from typing import Any

import msgspec

from cryptosource_etl.records import Quote, RawRecord, Rejection, digest_of
from cryptosource_etl.sources.csv.column_binding import BoundColumn, Parser, bind, missing_columns
from cryptosource_etl.sources.csv.csv_settings import CsvSettings
from cryptosource_etl.sources.csv.rows import BrokenRow, Row
from cryptosource_etl.sources.numbers import BadNumber
from cryptosource_etl.sources.symbols import BadText
from cryptosource_etl.sources.times import BadTime, check_time
from cryptosource_store.quote_fields import FIGURE_NAMES
from cryptosource_store.reasons import RejectReason

_FIELD_ORDER = ("symbol", "name", "rank", "observed_at", *FIGURE_NAMES)
"""The fields of a row beside its id, in the order in which they are parsed."""
_BAD: frozenset[type] = frozenset({BadText, BadNumber})
_encode = msgspec.json.Encoder().encode


def _read_unknown(_: str) -> None:
    """Return None for any cell, in place of the parser of a field that no column is mapped to."""


def _sorted_by_name(names: Sequence[str]) -> Callable[[Sequence[str]], Any]:
    """Return a function that sorts cells by the names of their columns."""
    # A digest has to be the same when the row is restored from JSONB, which keeps no order of keys.
    order = sorted(range(len(names)), key=names.__getitem__)
    return itemgetter(*order) if len(order) > 1 else tuple


def broken_digest(row: BrokenRow) -> str:
    """Return the digest of a broken row."""
    return digest_of(_encode((row.reason, row.cells)))


class RowSchema:
    """Turns rows under one header into records, and records into quotes or rejections.

    Args:
        settings: the manifest's settings.
        names: the column names of the header.
    """

    def __init__(self, settings: CsvSettings, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.names_set = frozenset(names)
        self.missing = missing_columns(settings, names)
        self._columns = bind(settings, names)
        self._reorder = _sorted_by_name(names)
        self._seed = hashlib.blake2b(_encode(sorted(names)), digest_size=16).digest()
        self._identity = self._columns.get("external_id") or self._columns.get("symbol")
        self._has_time = "observed_at" in self._columns
        # One C call fetches the cells of all fields, for each of millions of rows. A field without
        # a column takes any cell, and its parser returns None.
        self._pick = itemgetter(*(self._index(field) for field in _FIELD_ORDER))
        self._parsers = tuple(self._parser(field) for field in _FIELD_ORDER)

    def _index(self, field: str) -> int:
        return self._columns[field].index if field in self._columns else 0

    def _parser(self, field: str) -> Parser:
        return self._columns[field].parse if field in self._columns else _read_unknown

    def records(self, rows: Iterable[Row], *, lines: Iterable[int]) -> list[RawRecord]:
        """Return a record for each row.

        Args:
            rows: as parsed.
            lines: the line of the file at which each row ends, for messages.
        """
        width = len(self.names)
        index = self._identity.index if self._identity else 0
        identify = self._identity.parse if self._identity else _read_unknown
        # Local names: this loop runs once for each row of the file.
        seed, reorder = self._seed, self._reorder
        records = []
        for row, line in zip(rows, lines, strict=True):
            if type(row) is list and len(row) == width:
                identifier = identify(row[index])
                external_id = identifier if type(identifier) is str else None
                digest = digest_of(seed + _encode(reorder(row)))
                records.append(RawRecord(external_id, digest, row))
            else:
                broken = row if isinstance(row, BrokenRow) else self._ragged_row(row, line)
                records.append(RawRecord(None, broken_digest(broken), broken))
        return records

    def _ragged_row(self, cells: Sequence[str], line: int) -> BrokenRow:
        detail = f"line {line} has {len(cells)} cells where the header names {len(self.names)}"
        return BrokenRow(RejectReason.RAGGED_ROW, detail, tuple(cells))

    def judge(
        self, record: RawRecord, cells: Sequence[str], *, received_at: datetime, latest: datetime
    ) -> Quote | Rejection:
        """Return the quote of a row, or its rejection.

        Args:
            record: the record.
            cells: its cells, one for each name of the header.
            received_at: the file's own time, for rows that have none.
            latest: the newest time that is accepted.
        """
        external_id = record.external_id
        if external_id is None:
            return self._reject_unnamed(cells)
        symbol, name, rank, observed_at, *figures = map(call, self._parsers, self._pick(cells))
        if not self._has_time:
            observed_at = received_at
        if not isinstance(observed_at, datetime):
            return self._reject_time(observed_at)
        problem = check_time(observed_at, latest=latest)
        if problem is not None:
            return Rejection(problem.reason, self._header("observed_at"), problem.detail)
        inferred = not self._has_time
        quote = Quote._make((external_id, symbol, name, rank, observed_at, inferred, *figures))
        return quote if _BAD.isdisjoint(map(type, quote)) else self._reject(quote)

    def _reject(self, quote: Quote) -> Rejection:
        """Return the rejection for the first field of a quote that holds a parser's error."""
        field, bad = next((f, v) for f, v in quote._asdict().items() if type(v) in _BAD)
        return Rejection(bad.reason, self._header(field), bad.detail)

    def _header(self, field: str) -> str | None:
        column = self._columns.get(field)
        return column.header if column else None

    def _reject_time(self, found: BadTime | None) -> Rejection:
        header = self._header("observed_at")
        if found is None:
            return Rejection(RejectReason.INVALID_TIME, header, "the row has no time")
        return Rejection(found.reason, header, found.detail)

    def _reject_unnamed(self, cells: Sequence[str]) -> Rejection:
        column: BoundColumn | None = self._identity
        if column is None:
            return Rejection(RejectReason.MISSING_ID, None, "no column names the coin")
        bad = column.parse(cells[column.index])
        if isinstance(bad, BadText):
            return Rejection(bad.reason, column.header, bad.detail)
        return Rejection(RejectReason.MISSING_ID, column.header, "the row names no coin")

    def restore(self, payload: Mapping[str, Any]) -> tuple[RawRecord, list[str]]:
        """Return record and cells of a JSON object whose keys are exactly the column names."""
        cells = [_text(payload[name]) for name in self.names]
        (record,) = self.records([cells], lines=[0])
        return record, cells


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
