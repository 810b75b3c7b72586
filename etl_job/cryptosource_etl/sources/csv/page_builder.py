"""Rows to pages of records: never too many, never too large, each with its exact cursors."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cryptosource_etl.http.validators import Validators
from cryptosource_etl.records import Cursor, Page, RawRecord
from cryptosource_etl.sources.csv.cursor import PROBE_BYTES, Place, fingerprint
from cryptosource_etl.sources.csv.local_file import LocalFile
from cryptosource_etl.sources.csv.remote_file import remote_cursor
from cryptosource_etl.sources.csv.row_schema import RowSchema
from cryptosource_etl.sources.csv.rows import Rows

PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of a file that one page holds at most, so that long rows do not fill the memory."""


@dataclass(frozen=True)
class Cut:
    """Records that become a page, and the places between them."""

    records: list[RawRecord]
    start: Place
    ends: array[int]
    """Offset behind each record."""
    lines: array[int]
    """Lines before the end of each record."""
    reopen: Place | None
    """Start of the record that the end of the file may have cut off, if it is among these."""
    is_last: bool
    """Nothing follows."""

    def place_after(self, count: int) -> Place:
        """Return the place behind the first `count` records."""
        return Place(self.ends[count - 1], self.lines[count - 1]) if count else self.start


@dataclass
class _Waiting:
    """Records that were read and are in no page yet."""

    start: Place
    records: list[RawRecord] = field(default_factory=list)
    ends: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    reopen: Place | None = None

    def add(self, rows: Rows, layout: RowSchema) -> None:
        records = layout.records(rows.values, lines=rows.lines)
        if rows.open_from is not None:
            offset, line = rows.open_from
            first = bisect_right(rows.ends, offset)
            if first < len(records):
                self.reopen = Place(offset, line, again=records[first].digest)
        self.records += records
        self.ends.extend(rows.ends)
        self.lines.extend(rows.lines)

    def drop_if_known(self, digest: str | None) -> None:
        """Pass over the first record if it is the one that was loaded before."""
        if digest is not None and self.records and self.records[0].digest == digest:
            self.start = Place(self.ends[0], self.lines[0])
            del self.records[:1], self.ends[:1], self.lines[:1]

    def size_of_next(self, most: int) -> int:
        """Return how many records the next page has."""
        within = bisect_right(self.ends, self.start.offset + PAGE_BYTES)
        return min(most, max(within, 1), len(self.records))

    def cut(self, count: int) -> Cut:
        cut = Cut(
            self.records[:count],
            self.start,
            self.ends[:count],
            self.lines[:count],
            self.reopen,
            is_last=count == len(self.records),
        )
        del self.records[:count], self.ends[:count], self.lines[:count]
        self.start = cut.place_after(count)
        return cut


def cut_pages(
    blocks: Iterable[Rows], layout: RowSchema, *, start: Place, most: int
) -> Iterator[Cut]:
    """Yield the records of a file in pages.

    Each page waits for the record behind it, so that the last one knows that it is the last.

    Args:
        blocks: the rows, from `start` on.
        layout: makes records of them.
        start: the place of the first row.
        most: records of a page.
    """
    waiting = _Waiting(start)
    again = start.again
    for rows in blocks:
        waiting.add(rows, layout)
        if waiting.records:
            waiting.drop_if_known(again)
            again = None
        while (count := waiting.size_of_next(most)) < len(waiting.records):
            yield waiting.cut(count)
    if waiting.records:
        yield waiting.cut(len(waiting.records))


def _estimate(file: LocalFile, cut: Cut, *, done: int) -> int:
    """Return how many records there will be, if the rest are like these."""
    end, count = cut.ends[-1], len(cut.records)
    if cut.is_last:
        return done + count
    return done + count + (file.size - end) * count // max(1, end - cut.start.offset)


def local_page(file: LocalFile, cut: Cut, *, contract: str, done: int) -> Page:
    """Return a page of a local file, after making sure that the file is still the same.

    Args:
        file: the file, open.
        cut: the records.
        contract: what the cursor is worth something under.
        done: records before these in this pass.

    Raises:
        Retryable: FileChanged.
    """
    end = cut.ends[-1]
    base = max(0, cut.start.offset - PROBE_BYTES)
    # Kept with the page: when its cursor is asked for, the file may be closed or another one.
    window = file.fetch(base, end - base)
    read_before = file.prefix.upto(cut.start.offset)
    file.check_unchanged(upto=end)
    state = file.state

    def cursor_after(count: int) -> Cursor:
        place = cut.place_after(count)
        tail = window[max(0, place.offset - PROBE_BYTES) - base : place.offset - base]
        reopen = cut.reopen if cut.reopen and place.offset > cut.reopen.offset else None
        prefix = read_before.copy()
        prefix.update(window[cut.start.offset - base : place.offset - base])
        cursor = state.cursor(
            place, tail=fingerprint(tail), prefix=prefix.hexdigest(), reopen=reopen
        )
        return {"contract": contract, **cursor}

    return Page(cut.records, cursor_after, file.written_at, total=_estimate(file, cut, done=done))


def remote_page(
    url: str,
    cut: Cut,
    *,
    contract: str,
    validators: Validators | None,
    received_at: datetime,
) -> Page:
    """Return a page of a file behind a URL.

    Args:
        url: where it is.
        cut: the records.
        contract: what the cursor is worth something under.
        validators: the version that is being read.
        received_at: when it was written, or else received.
    """

    def cursor_after(count: int) -> Cursor:
        complete = cut.is_last and count == len(cut.records)
        cursor = remote_cursor(
            url, validators=validators, place=cut.place_after(count), complete=complete
        )
        return {"contract": contract, **cursor}

    return Page(cut.records, cursor_after, received_at)
