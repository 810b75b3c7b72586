"""Encoders of exports: rows to bytes, a batch at a time.

Pure but for pyarrow, which is imported when it is needed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from cryptosource_api.exports.formats import Form
from cryptosource_store.statements.exports import Column, Kind

Row = Sequence[str | None]

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
"""Characters that begin a formula in a spreadsheet (OWASP), with their full-width forms."""
# Also put before texts that begin with the guard itself: removing one guard always restores the text.
GUARD = "'"

GROUP_ROWS = 10_000
"""Rows of a Parquet row group, which is held in memory until it is full."""


class Encoder(Protocol):
    """Encodes the rows of one export."""

    as_json: bool
    """Whether each row is one JSON text."""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Return the bytes that are ready after these rows; they may be empty."""

    def end(self) -> bytes:
        """Return the remaining bytes, after the last row."""


def encoder(form: Form, columns: Sequence[Column]) -> Encoder:
    """Return the encoder of a form."""
    if form is Form.NDJSON:
        return NdjsonEncoder()
    return CsvEncoder(columns) if form is Form.CSV else ParquetEncoder(columns)


class NdjsonEncoder:
    """One JSON object a line, as Postgres built it."""

    as_json = True

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Return the lines."""
        return "".join(f"{line}\n" for (line,) in rows).encode()

    def end(self) -> bytes:
        """Return nothing."""
        return b""


def guarded(cell: str | None) -> str | None:
    """Return a cell with `GUARD` before a text that a spreadsheet would run as a formula."""
    if cell and (cell[0] in FORMULA_STARTS or cell[0] == GUARD):
        return GUARD + cell
    return cell


class CsvEncoder:
    """RFC 4180 with a header, in UTF-8. Null is an empty cell.

    Args:
        columns: of the rows. Only texts are guarded: `-5` in a number's column is no formula.
    """

    as_json = False

    def __init__(self, columns: Sequence[Column]) -> None:
        self._texts = [at for at, column in enumerate(columns) if column.kind is Kind.TEXT]
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer)
        self._writer.writerow(column.name for column in columns)

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Return the lines; the first call's begin with the header."""
        for row in rows:
            cells = list(row)
            for at in self._texts:
                cells[at] = guarded(cells[at])
            self._writer.writerow(cells)
        return self._drain()

    def end(self) -> bytes:
        """Return the header, if there was no row."""
        return self._drain()

    def _drain(self) -> bytes:
        lines = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return lines.encode()


class _Sink(io.RawIOBase):
    """A write-only file in memory that is emptied after each row group."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    # The position in the whole export: Parquet's footer holds the offsets of the row groups.
    def tell(self) -> int:
        return self._size

    def drain(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class ParquetEncoder:
    """Parquet in row groups of `GROUP_ROWS`, compressed with zstd.

    Amounts are strings: they have every digit, always the same type, and no scale that some coin's
    price would not fit into. Times are UTC to the microsecond.
    """

    as_json = False

    def __init__(self, columns: Sequence[Column]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - 166 MB that only an export in this form needs
        from pyarrow import parquet  # noqa: PLC0415

        types = {
            Kind.TEXT: pa.string(),
            Kind.AMOUNT: pa.string(),
            Kind.INTEGER: pa.int64(),
            Kind.TIME: pa.timestamp("us", tz="UTC"),
            Kind.NAMES: pa.list_(pa.string()),
        }
        self._pa = pa
        self._kinds = [column.kind for column in columns]
        self._schema = pa.schema([(column.name, types[column.kind]) for column in columns])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._batches: list[Any] = []
        self._count = 0

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Return the row groups that are full.

        What is gathered for one waits in columns, which are smaller than rows of Python texts.
        """
        batch = self._batch(list(rows))
        self._batches.append(batch)
        self._count += batch.num_rows
        return self._group() if self._count >= GROUP_ROWS else b""

    def end(self) -> bytes:
        """Return the last row group and the footer."""
        data = self._group() if self._batches else b""
        self._writer.close()
        return data + self._sink.drain()

    def _batch(self, rows: Sequence[Row]) -> Any:
        columns = zip(*rows, strict=True)
        arrays = [
            self._array(values, kind, field.type)
            for values, kind, field in zip(columns, self._kinds, self._schema, strict=True)
        ]
        return self._pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _group(self) -> bytes:
        table = self._pa.Table.from_batches(self._batches, schema=self._schema)
        self._batches = []
        self._count = 0
        self._writer.write_table(table)
        return self._sink.drain()

    def _array(self, values: Sequence[str | None], kind: Kind, arrow_type: Any) -> Any:
        if kind is Kind.NAMES:
            names = [value.split(" ") if value else [] for value in values]
            return self._pa.array(names, arrow_type)
        return self._pa.array(values, self._pa.string()).cast(arrow_type)
