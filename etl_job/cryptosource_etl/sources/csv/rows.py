"""Lines to rows of cells, each with the offset at which it ends.

The csv module does the parsing. Nearly always a line is a row, which is checked by counting; only
blocks with cells of several lines, or with broken quotes, are gone through row by row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice, repeat
from typing import TYPE_CHECKING, NamedTuple

from cryptosource_etl.sources.csv.lines import (
    HEAD_BYTES,
    LINE_LIMIT_BYTES,
    LongLine,
    Read,
    read_lines,
)
from cryptosource_etl.sources.csv.text_encoding import Encoding
from cryptosource_store.reasons import RejectReason

if TYPE_CHECKING:
    from _csv import Reader

# A row of its own behind each block: when a quote is still open there, it is swallowed.
_SENTINEL = "x\n"


class BrokenRow(NamedTuple):
    """A row that cannot be read as the header says: a record all the same, to be rejected."""

    reason: RejectReason
    detail: str
    """One sentence that names the line."""
    cells: tuple[str, ...]
    """What there is of it, as text that can be stored."""


Row = list[str] | BrokenRow


@dataclass
class Rows:
    """Rows that follow each other, as parallel lists."""

    values: list[Row] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Offset in the file behind each row, in bytes."""
    lines: list[int] = field(default_factory=list)
    """Lines of the file up to the end of each row."""
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
    """How a file is written."""

    encoding: Encoding
    delimiter: str

    def parse(self, lines: list[str], *, start: int = 0) -> Reader:
        """Return the csv module's reader of these lines and of a sentinel behind them."""
        return csv.reader(
            chain(islice(lines, start, None), (_SENTINEL,)),
            delimiter=self.delimiter,
            skipinitialspace=self.delimiter != " ",
        )

    def decode(self, lines: list[bytes]) -> tuple[list[str], frozenset[int]]:
        """Return the text of lines, and the indexes of those that are not in this encoding."""
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
        dialect: how the file is written.
        offset: the place, in bytes; a row starts there.
        line: lines before it.
    """

    def __init__(self, dialect: Dialect, *, offset: int, line: int) -> None:
        self._dialect = dialect
        self._offset = offset
        self._line = line
        self._carried: list[bytes] = []

    def read(self, read: Read) -> Iterator[Rows]:
        """Yield the rows of a stream, a block at a time. Blank lines are passed over."""
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
        detail = f"line {self._line} is longer than {LINE_LIMIT_BYTES} bytes"
        head = self._dialect.encoding.decode_visibly(block.head)
        rows.add(BrokenRow(RejectReason.TOO_LARGE, detail, (head,)), self._offset, self._line)
        return rows

    def _rows(self, block: list[bytes], *, final: bool) -> Rows:
        lines, self._carried = self._carried + block, []
        part = _Block(self._dialect, lines, offset=self._offset, line=self._line)
        rows = part.rows_if_simple() or part.rows_one_by_one(final=final)
        self._carried = lines[part.taken :]
        self._offset, self._line = part.end_of(part.taken), self._line + part.taken
        return rows


class _Block:
    """Lines that are in memory, and the rows in them."""

    def __init__(self, dialect: Dialect, lines: list[bytes], *, offset: int, line: int) -> None:
        self._dialect = dialect
        self._lines = lines
        self._before = line
        self._ends = list(accumulate(map(len, lines), initial=offset))
        self._texts, self._undecodable = dialect.decode(lines)
        self.taken = 0
        """Lines of which the rows are complete."""

    def end_of(self, count: int) -> int:
        """Return the offset behind the first `count` lines."""
        return self._ends[count]

    def rows_if_simple(self) -> Rows | None:
        """Return the rows if each line is one, as in nearly every file."""
        if self._undecodable or not self._lines:
            return None
        try:
            values = list(self._dialect.parse(self._texts))
        except csv.Error:
            return None
        count = len(self._lines)
        if len(values) != count + 1 or not self._is_ended(count - 1):
            return None
        values.pop()
        self.taken = count
        rows = Rows(values, self._ends[1:], list(range(self._before + 1, self._before + count + 1)))  # type: ignore[arg-type]
        return rows if all(values) else _without_blanks(rows)

    def _is_ended(self, index: int) -> bool:
        return self._dialect.encoding.has_end(self._lines[index])

    def rows_one_by_one(self, *, final: bool) -> Rows:
        """Return the rows that are complete; what is left over is one that is not.

        Args:
            final: nothing follows, so that an open quote will never be closed.
        """
        rows, count = Rows(), len(self._lines)
        reader, origin = self._dialect.parse(self._texts), 0
        while self.taken < count:
            start = self.taken
            cells = _next(reader)
            stop = origin + reader.line_num
            size = self._ends[min(stop, count)] - self._ends[start]
            is_open = stop > count
            unfinished = is_open or (stop == count and not self._is_ended(count - 1))
            if unfinished and cells is not None and not final and size <= LINE_LIMIT_BYTES:
                break
            if unfinished and final and rows.open_from is None:
                rows.open_from = self._ends[start], self._before + start
            if cells is None or is_open or (stop > start + 1 and size > LINE_LIMIT_BYTES):
                self._add(rows, self._broken(start, stop), start + 1)
                if stop != start + 1:
                    # The quote swallowed rows that deserve to be read: go back to the next line.
                    reader, origin = self._dialect.parse(self._texts, start=start + 1), start + 1
            elif cells:
                self._add(rows, self._decoded(cells, start, stop), stop)
            else:
                self.taken = stop
        return rows

    def _add(self, rows: Rows, value: Row, stop: int) -> None:
        rows.add(value, self._ends[stop], self._before + stop)
        self.taken = stop

    def _decoded(self, cells: list[str], start: int, stop: int) -> Row:
        if self._undecodable and not self._undecodable.isdisjoint(range(start, stop)):
            detail = f"line {self._before + start + 1} is not {self._dialect.encoding.name}"
            return BrokenRow(RejectReason.UNDECODABLE, detail, tuple(cells))
        return cells

    def _broken(self, start: int, stop: int) -> BrokenRow:
        where = f"line {self._before + start + 1}"
        text = self._texts[start][:HEAD_BYTES]
        if stop == start + 1:
            detail = f"{where} has a cell of more than {csv.field_size_limit()} characters"
            return BrokenRow(RejectReason.TOO_LARGE, detail, (text,))
        detail = f"{where} opens a quote that is not closed, or encloses too much"
        return BrokenRow(RejectReason.RAGGED_ROW, detail, (text,))


def _next(reader: Reader) -> list[str] | None:
    try:
        return next(reader)
    except csv.Error:
        return None


def _without_blanks(rows: Rows) -> Rows:
    kept = [index for index, value in enumerate(rows.values) if value]
    return Rows(
        [rows.values[index] for index in kept],
        [rows.ends[index] for index in kept],
        [rows.lines[index] for index in kept],
    )
