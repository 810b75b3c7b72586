"""Parsing lines into rows of cells, each with the offset at which it ends.

The csv module parses a whole block at once. If it finds as many rows as there are lines, as nearly
always, each line is a row. Only blocks with cells of several lines, or with broken quotes, are read
row by row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice, repeat
from typing import TYPE_CHECKING, NamedTuple

from cryptosource_etl.sources.csv.lines import (
    HEAD_BYTES,
    MAX_LINE_BYTES,
    LongLine,
    Read,
    read_lines,
)
from cryptosource_etl.sources.csv.text_encoding import Encoding
from cryptosource_store.reasons import RejectReason

if TYPE_CHECKING:
    from _csv import Reader

# Appended to each block as a row of its own: an open quote at the block's end swallows it, which
# shows in the number of rows.
_SENTINEL = "x\n"


class BrokenRow(NamedTuple):
    """A row that cannot be parsed. It becomes a record, which is rejected."""

    reason: RejectReason
    detail: str
    """One sentence that names the line."""
    cells: tuple[str, ...]
    """The parts of it that were read, as text that can be stored."""


Row = list[str] | BrokenRow


@dataclass
class Rows:
    """Consecutive rows, as parallel lists."""

    values: list[Row] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Offset in the file of the end of each row, in bytes."""
    lines: list[int] = field(default_factory=list)
    """Number of lines of the file up to the end of each row."""
    open_from: tuple[int, int] | None = None
    """Offset and line count before the first row that an append could still change, because the
    file ends within it."""

    def add(self, value: Row, end: int, line: int) -> None:
        """Append one row."""
        self.values.append(value)
        self.ends.append(end)
        self.lines.append(line)


@dataclass(frozen=True)
class Dialect:
    """The encoding and the delimiter of a file."""

    encoding: Encoding
    delimiter: str

    def parse(self, lines: list[str], *, start: int = 0) -> Reader:
        """Return the csv module's reader of these lines, followed by the sentinel."""
        return csv.reader(
            chain(islice(lines, start, None), (_SENTINEL,)),
            delimiter=self.delimiter,
            # With blanks as delimiters, skipping them would lose empty cells.
            skipinitialspace=self.delimiter != " ",
        )

    def decode(self, lines: list[bytes]) -> tuple[list[str], frozenset[int]]:
        """Return the text of lines, and the indexes of those that cannot be decoded."""
        # First all lines in one C loop, without a frame for each: nearly every block is valid.
        try:
            return list(map(str, lines, repeat(self.encoding.name))), frozenset()
        except UnicodeDecodeError:
            texts = [self._decode_one(line) for line in lines]
        return (
            [
                text if text is not None else self.encoding.decode_visibly(line)
                for text, line in zip(texts, lines, strict=True)
            ],
            frozenset(index for index, text in enumerate(texts) if text is None),
        )

    def _decode_one(self, line: bytes) -> str | None:
        try:
            return str(line, self.encoding.name)
        except UnicodeDecodeError:
            return None


class RowReader:
    """Reads rows from a place in a file on.

    Args:
        dialect: the file's encoding and delimiter.
        offset: the place, in bytes; a row starts there.
        line: number of lines before it.
    """

    def __init__(self, dialect: Dialect, *, offset: int, line: int) -> None:
        self._dialect = dialect
        self._offset = offset
        self._line = line
        self._remainder: list[bytes] = []

    def read(self, read: Read) -> Iterator[Rows]:
        """Yield the rows of a stream, a block at a time. Blank lines are skipped."""
        for block in read_lines(read, self._dialect.encoding):
            if isinstance(block, LongLine):
                yield self._rows([], final=True)
                yield self._too_long(block)
            else:
                yield self._rows(block, final=False)
        yield self._rows([], final=True)

    def _too_long(self, block: LongLine) -> Rows:
        rows = Rows()
        self._offset += block.length
        self._line += 1
        detail = f"line {self._line} is longer than {MAX_LINE_BYTES} bytes"
        head = self._dialect.encoding.decode_visibly(block.head)
        rows.add(BrokenRow(RejectReason.TOO_LARGE, detail, (head,)), self._offset, self._line)
        return rows

    def _rows(self, block: list[bytes], *, final: bool) -> Rows:
        lines, self._remainder = self._remainder + block, []
        part = _Block(self._dialect, lines, offset=self._offset, line=self._line)
        rows = part.rows_if_simple() or part.rows_one_by_one(final=final)
        self._remainder = lines[part.consumed :]
        self._offset, self._line = part.end_of(part.consumed), self._line + part.consumed
        return rows


class _Block:
    """A block of lines in memory, and the rows in it."""

    def __init__(self, dialect: Dialect, lines: list[bytes], *, offset: int, line: int) -> None:
        self._dialect = dialect
        self._lines = lines
        self._lines_before = line
        self._ends = list(accumulate(map(len, lines), initial=offset))
        self._texts, self._undecodable = dialect.decode(lines)
        self.consumed = 0
        """Number of lines whose rows are complete."""

    def end_of(self, count: int) -> int:
        """Return the offset of the end of the first `count` lines."""
        return self._ends[count]

    def rows_if_simple(self) -> Rows | None:
        """Return the rows if each line is one row, as in nearly every block; else None."""
        if self._undecodable or not self._lines:
            return None
        try:
            values = list(self._dialect.parse(self._texts))
        except csv.Error:
            return None
        count = len(self._lines)
        if len(values) != count + 1 or not self._has_end(count - 1):
            return None
        values.pop()
        self.consumed = count
        lines = range(self._lines_before + 1, self._lines_before + count + 1)
        rows = Rows(values, self._ends[1:], list(lines))  # type: ignore[arg-type]
        return rows if all(values) else _drop_blanks(rows)

    def _has_end(self, index: int) -> bool:
        return self._dialect.encoding.has_end(self._lines[index])

    def rows_one_by_one(self, *, final: bool) -> Rows:
        """Return the complete rows, leaving the lines of an incomplete one at the block's end.

        Args:
            final: no block follows, so an open quote is never closed.
        """
        rows, count = Rows(), len(self._lines)
        reader, origin = self._dialect.parse(self._texts), 0
        while self.consumed < count:
            start = self.consumed
            cells = _read_row(reader)
            stop = origin + reader.line_num
            size = self._ends[min(stop, count)] - self._ends[start]
            is_open = stop > count
            unfinished = is_open or (stop == count and not self._has_end(count - 1))
            if unfinished and cells is not None and not final and size <= MAX_LINE_BYTES:
                break
            if unfinished and final and rows.open_from is None:
                rows.open_from = self._ends[start], self._lines_before + start
            if cells is None or is_open or (stop > start + 1 and size > MAX_LINE_BYTES):
                self._add(rows, self._broken_row(start, stop), start + 1)
                if stop != start + 1:
                    # The open quote swallowed valid rows: reject its line and go on with the next.
                    reader, origin = self._dialect.parse(self._texts, start=start + 1), start + 1
            elif cells:
                self._add(rows, self._check_decoded(cells, start, stop), stop)
            else:
                self.consumed = stop
        return rows

    def _add(self, rows: Rows, value: Row, stop: int) -> None:
        rows.add(value, self._ends[stop], self._lines_before + stop)
        self.consumed = stop

    def _check_decoded(self, cells: list[str], start: int, stop: int) -> Row:
        if self._undecodable and not self._undecodable.isdisjoint(range(start, stop)):
            detail = f"line {self._lines_before + start + 1} is not {self._dialect.encoding.name}"
            return BrokenRow(RejectReason.UNDECODABLE, detail, tuple(cells))
        return cells

    def _broken_row(self, start: int, stop: int) -> BrokenRow:
        where = f"line {self._lines_before + start + 1}"
        text = self._texts[start][:HEAD_BYTES]
        if stop == start + 1:
            detail = f"{where} has a cell of more than {csv.field_size_limit()} characters"
            return BrokenRow(RejectReason.TOO_LARGE, detail, (text,))
        detail = f"{where} opens a quote that is not closed, or encloses too much"
        return BrokenRow(RejectReason.RAGGED_ROW, detail, (text,))


def _read_row(reader: Reader) -> list[str] | None:
    try:
        return next(reader)
    except csv.Error:
        return None


def _drop_blanks(rows: Rows) -> Rows:
    indexes = [index for index, value in enumerate(rows.values) if value]
    return Rows(
        [rows.values[index] for index in indexes],
        [rows.ends[index] for index in indexes],
        [rows.lines[index] for index in indexes],
    )
