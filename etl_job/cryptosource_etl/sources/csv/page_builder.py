"""Pages of records with exact cursors, bounded in records and in bytes."""

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

# Besides the limit on records, so that pages of long rows do not fill the memory.
PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of a file in one page, at most."""


@dataclass(frozen=True)
class PageRecords:
    """The records of one page, and the places between them."""

    records: list[RawRecord]
    start: Place
    ends: array[int]
    """Offset of the end of each record."""
    lines: array[int]
    """Number of lines up to the end of each record."""
    reopen: Place | None
    """Start of the record that the end of the file may have cut off, if it is among these."""
    is_last: bool
    """No record follows."""

    def place_after(self, count: int) -> Place:
        """Return the place after the first `count` records."""
        return Place(self.ends[count - 1], self.lines[count - 1]) if count else self.start


@dataclass
class _PendingRecords:
    """Records that were read and are not part of a page yet."""

    start: Place
    records: list[RawRecord] = field(default_factory=list)
    ends: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    reopen: Place | None = None

    def add(self, rows: Rows, schema: RowSchema) -> None:
        records = schema.records(rows.values, lines=rows.lines)
        if rows.open_from is not None:
            offset, line = rows.open_from
            first = bisect_right(rows.ends, offset)
            if first < len(records):
                self.reopen = Place(offset, line, again=records[first].digest)
        self.records += records
        self.ends.extend(rows.ends)
        self.lines.extend(rows.lines)

    def drop_if_loaded(self, digest: str | None) -> None:
        """Drop the first record if it is the one that was loaded before."""
        if digest is not None and self.records and self.records[0].digest == digest:
            self.start = Place(self.ends[0], self.lines[0])
            del self.records[:1], self.ends[:1], self.lines[:1]

    def size_of_next(self, max_records: int) -> int:
        """Return the number of records of the next page."""
        fitting = bisect_right(self.ends, self.start.offset + PAGE_BYTES)
        # At least one, or a record longer than PAGE_BYTES would never leave.
        return min(max_records, max(fitting, 1), len(self.records))

    def take(self, count: int) -> PageRecords:
        taken = PageRecords(
            self.records[:count],
            self.start,
            self.ends[:count],
            self.lines[:count],
            self.reopen,
            is_last=count == len(self.records),
        )
        del self.records[:count], self.ends[:count], self.lines[:count]
        self.start = taken.place_after(count)
        return taken


def build_pages(
    blocks: Iterable[Rows], schema: RowSchema, *, start: Place, max_records: int
) -> Iterator[PageRecords]:
    """Yield the records of a file in pages.

    Args:
        blocks: the rows, from `start` on.
        schema: turns rows into records.
        start: the place of the first row.
        max_records: largest number of records of a page.
    """
    pending = _PendingRecords(start)
    again = start.again
    for rows in blocks:
        pending.add(rows, schema)
        if pending.records:
            pending.drop_if_loaded(again)
            again = None
        # `<` and not `<=`: a page is held back until the record after it is known, so that the
        # last page knows that it is the last.
        while (count := pending.size_of_next(max_records)) < len(pending.records):
            yield pending.take(count)
    if pending.records:
        yield pending.take(len(pending.records))


def _estimate(file: LocalFile, page_records: PageRecords, *, done: int) -> int:
    """Return the expected number of records of the file, by the size of this page's."""
    end, count = page_records.ends[-1], len(page_records.records)
    if page_records.is_last:
        return done + count
    return done + count + (file.size - end) * count // max(1, end - page_records.start.offset)


def local_page(file: LocalFile, page_records: PageRecords, *, contract: str, done: int) -> Page:
    """Return a page of a local file, after checking that the file has not changed.

    Args:
        file: the open file.
        page_records: the records.
        contract: the contract version, kept in the cursor.
        done: number of records before these in this run.

    Raises:
        Retryable: FileChanged.
    """
    end = page_records.ends[-1]
    base = max(0, page_records.start.offset - PROBE_BYTES)
    # The page keeps its own bytes: when its cursor is made, the file may be closed or replaced.
    window = file.fetch(base, end - base)
    prefix_before = file.prefix.upto(page_records.start.offset)
    file.check_unchanged(upto=end)
    state = file.state

    def cursor_after(count: int) -> Cursor:
        place = page_records.place_after(count)
        tail = window[max(0, place.offset - PROBE_BYTES) - base : place.offset - base]
        reopen = (
            page_records.reopen
            if page_records.reopen and place.offset > page_records.reopen.offset
            else None
        )
        prefix = prefix_before.copy()
        prefix.update(window[page_records.start.offset - base : place.offset - base])
        cursor = state.cursor(
            place, tail=fingerprint(tail), prefix=prefix.hexdigest(), reopen=reopen
        )
        return {"contract": contract, **cursor}

    return Page(
        page_records.records,
        cursor_after,
        file.written_at,
        total=_estimate(file, page_records, done=done),
    )


def remote_page(
    url: str,
    page_records: PageRecords,
    *,
    contract: str,
    validators: Validators | None,
    received_at: datetime,
) -> Page:
    """Return a page of a file behind a URL.

    Args:
        url: the file's URL.
        page_records: the records.
        contract: the contract version, kept in the cursor.
        validators: those of the version that is being read.
        received_at: time at which it was written, or else received.
    """

    def cursor_after(count: int) -> Cursor:
        complete = page_records.is_last and count == len(page_records.records)
        cursor = remote_cursor(
            url, validators=validators, place=page_records.place_after(count), complete=complete
        )
        return {"contract": contract, **cursor}

    return Page(page_records.records, cursor_after, received_at)
