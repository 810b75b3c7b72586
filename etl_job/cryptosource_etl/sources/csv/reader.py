"""The CSV source as the run sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Permanent
from cryptosource_etl.http import HttpClient
from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection
from cryptosource_etl.sources.csv.column_binding import check_columns
from cryptosource_etl.sources.csv.cursor import Place
from cryptosource_etl.sources.csv.file_format import FileFormat, settings_of
from cryptosource_etl.sources.csv.header import SAMPLE_BYTES, Head, read_head
from cryptosource_etl.sources.csv.lines import Read
from cryptosource_etl.sources.csv.local_file import LocalFile
from cryptosource_etl.sources.csv.page_builder import Cut, cut_pages, local_page, remote_page
from cryptosource_etl.sources.csv.remote_file import ByteStream, RemoteCursor, written_at
from cryptosource_etl.sources.csv.row_schema import RowSchema, broken_digest
from cryptosource_etl.sources.csv.rows import BrokenRow, RowReader
from cryptosource_etl.sources.json_records import exact_json
from cryptosource_etl.sources.plugin import SourceContext
from cryptosource_etl.sources.times import FUTURE_TOLERANCE
from cryptosource_store.reasons import Reason, RejectReason

CONTRACT = "csv-1"
"""Changes with every change of how a row is judged."""
_LAYOUTS_KEPT = 64
_NOT_MODIFIED = 304


class ForeignRow(NamedTuple):
    """A whole row under a header that is not that of the file being read."""

    layout: RowSchema
    cells: list[str]


class CsvReader:
    """One CSV file, for one run.

    Args:
        settings: what the manifest says.
        clock: says what is in the future.
        http: the way to a URL; None for a local file.
    """

    uniform = True

    def __init__(
        self, settings: FileFormat, *, clock: Clock, http: HttpClient | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._http = http
        self._fingerprint = settings.fingerprint()
        self.contract_version = f"{CONTRACT}-{self._fingerprint}"
        self._latest = clock.now() + FUTURE_TOLERANCE
        self._layout: RowSchema | None = None
        self._foreign: dict[tuple[str, ...], RowSchema] = {}

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield pages from the cursor on.

        Raises:
            Retryable: FileChanged, or what the network has to say.
            Permanent: FileNotFound, FileUnreadable, or InvalidSpec.
        """
        self._latest = self._clock.now() + FUTURE_TOLERANCE
        usable = cursor if cursor.get("contract") == self.contract_version else {}
        if self._settings.url is None:
            return self._local_pages(usable)
        return self._remote_pages(usable, self._settings.url)

    def _local_pages(self, cursor: Cursor) -> Iterator[Page]:
        path = self._settings.path
        if path is None:
            raise Permanent(Reason.INVALID_SPEC, "csv has no path: it was not resolved to a file")
        with closing(LocalFile(path, shown=self._settings.shown_path or str(path))) as file:
            sample = file.fetch(0, min(SAMPLE_BYTES, file.size))
            head = self._read_head(sample, what=file.shown, whole=len(sample) >= file.size)
            start = file.resume(cursor) or Place(head.end, head.lines)
            file.go_to(start.offset)
            done = 0
            for cut in self._cuts(head, file.read, start=start):
                page = local_page(file, cut, contract=self.contract_version, done=done)
                yield replace(page, starts_pass=cut.start.offset == head.end)
                done += len(cut.records)
            file.check_unchanged(upto=file.size)

    def _remote_pages(self, cursor: Cursor, url: str) -> Iterator[Page]:
        if self._http is None:
            raise Permanent(Reason.INVALID_SPEC, "csv.url needs the network, and there is none")
        known = RemoteCursor.parse(cursor, url=url)
        with self._http.stream(url, validators=known.condition) as response:
            if response.status == _NOT_MODIFIED:
                return
            received_at = written_at(response.validators) or self._clock.now()
            stream = ByteStream(response.chunks)
            sample, whole = stream.peek(SAMPLE_BYTES)
            head = self._read_head(sample, what=_shown(url), whole=whole)
            start = known.resume(response.validators) or Place(head.end, head.lines)
            stream.skip(start.offset)
            for cut in self._cuts(head, stream.read, start=start):
                page = remote_page(
                    url,
                    cut,
                    contract=self.contract_version,
                    validators=response.validators,
                    received_at=received_at,
                )
                yield replace(page, starts_pass=cut.start.offset == head.end)

    def _read_head(self, sample: bytes, *, what: str, whole: bool) -> Head:
        head = read_head(sample, self._settings, what=what, whole=whole)
        check_columns(self._settings, head.names)
        self._layout = RowSchema(self._settings, head.names)
        return head

    def _cuts(self, head: Head, read: Read, *, start: Place) -> Iterator[Cut]:
        rows = RowReader(head.dialect, offset=start.offset, line=start.line).read(read)
        return cut_pages(rows, self._known_layout(), start=start, most=self._settings.batch_size)

    def _known_layout(self) -> RowSchema:
        if self._layout is None:
            raise RuntimeError("the header comes first")
        return self._layout

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Judge one row. Total."""
        value = record.value
        if type(value) is list:
            layout, cells = self._known_layout(), value
        elif isinstance(value, BrokenRow):
            return Rejection(value.reason, None, value.detail)
        else:
            layout, cells = value
        if layout.missing:
            detail = f"the row has no column {layout.missing[0][:64]!r}"
            return Rejection(RejectReason.RAGGED_ROW, layout.missing[0], detail)
        return layout.judge(record, cells, received_at=received_at, latest=self._latest)

    def payload(self, record: RawRecord) -> str:
        """Return the row as a JSON object, column -> cell."""
        value = record.value
        if isinstance(value, BrokenRow):
            return broken_json(value)
        if isinstance(value, ForeignRow):
            return row_json(value.layout.names, value.cells)
        return row_json(self._known_layout().names, value)

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a stored payload, under whatever header it was written."""
        return self._restored(exact_json(payload))

    def _restored(self, payload: Any) -> RawRecord:
        broken = parse_broken(payload)
        if broken is not None:
            return RawRecord(None, broken_digest(broken), broken)
        layout = self._layout
        if layout is not None and layout.names_set == payload.keys():
            return layout.restored(payload)[0]
        layout = self._layout_of(payload)
        record, cells = layout.restored(payload)
        return record._replace(value=ForeignRow(layout, cells))

    def _layout_of(self, payload: Mapping[str, Any]) -> RowSchema:
        names = tuple(sorted(payload))
        if names not in self._foreign:
            if len(self._foreign) >= _LAYOUTS_KEPT:
                self._foreign.clear()
            self._foreign[names] = RowSchema(self._settings, names)
        return self._foreign[names]

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return column -> `string`, or `null` for an empty cell; a broken row tells nothing."""
        value = record.value
        if isinstance(value, BrokenRow):
            names = self._layout.names if self._layout else ()
            return dict.fromkeys(names, "null")
        layout, cells = value if isinstance(value, ForeignRow) else (self._known_layout(), value)
        return {
            name: "string" if cell else "null"
            for name, cell in zip(layout.names, cells, strict=True)
        }

    def close(self) -> None:
        """Do nothing: the file is closed when `pages` ends."""


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def open_csv(context: SourceContext) -> CsvReader:
    """Open a source of type CSV."""
    settings = settings_of(context.source, csv_path=context.csv_path)
    return CsvReader(settings, clock=context.clock, http=context.http)


_encode = msgspec.json.Encoder().encode
_MARK = ""
_CELLS = "cells"


def row_json(names: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row as a JSON object."""
    return _encode(dict(zip(names, cells, strict=True))).decode()


def broken_json(row: BrokenRow) -> str:
    """Return a row that cannot be read as a JSON object that says why."""
    return _encode({_MARK: f"{row.reason}: {row.detail}", _CELLS: row.cells}).decode()


def parse_broken(payload: Any) -> BrokenRow | None:
    """Return the broken row that a payload stands for, or None if it stands for a whole one."""
    if not isinstance(payload, Mapping) or not payload:
        detail = f"{type(payload).__name__} {str(payload)[:20]!r} where a row was expected"
        return BrokenRow(RejectReason.NOT_AN_OBJECT, detail, (str(payload)[:256],))
    if _MARK not in payload:
        return None
    reason, _, detail = str(payload[_MARK]).partition(": ")
    known = reason in RejectReason.__members__.values()
    cells = payload.get(_CELLS)
    return BrokenRow(
        RejectReason(reason) if known else RejectReason.NOT_AN_OBJECT,
        detail if known else "not a row that this version wrote",
        tuple(str(cell) for cell in cells) if isinstance(cells, list) else (),
    )
