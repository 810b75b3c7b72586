"""The source type CSV: its `SourceReader`, and the JSON form of its rows."""

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
from cryptosource_etl.sources.csv.csv_settings import CsvSettings, settings_of
from cryptosource_etl.sources.csv.cursor import Place
from cryptosource_etl.sources.csv.header import SAMPLE_BYTES, Head, read_head
from cryptosource_etl.sources.csv.lines import Read
from cryptosource_etl.sources.csv.local_file import LocalFile
from cryptosource_etl.sources.csv.page_builder import (
    PageRecords,
    build_pages,
    local_page,
    remote_page,
)
from cryptosource_etl.sources.csv.remote_file import ByteStream, RemoteCursor, written_at
from cryptosource_etl.sources.csv.row_schema import RowSchema, broken_digest
from cryptosource_etl.sources.csv.rows import BrokenRow, RowReader
from cryptosource_etl.sources.json_records import exact_json
from cryptosource_etl.sources.plugin import SourceContext
from cryptosource_etl.sources.times import FUTURE_TOLERANCE
from cryptosource_store.reasons import Reason, RejectReason

CONTRACT = "csv-1"
"""Changes with every change of how rows are normalized."""
# A replay reads rows under every header that a file has ever had.
_MAX_FOREIGN_SCHEMAS = 64
_NOT_MODIFIED = 304


class ForeignRow(NamedTuple):
    """A valid row under another header than that of the file being read."""

    schema: RowSchema
    cells: list[str]


class CsvReader:
    """Reads one CSV file, for one run.

    Args:
        settings: the manifest's settings.
        clock: gives the time by which a row is in the future.
        http: fetches a URL; None for a local file.
    """

    uniform = True

    def __init__(
        self, settings: CsvSettings, *, clock: Clock, http: HttpClient | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._http = http
        self._fingerprint = settings.fingerprint()
        self.contract_version = f"{CONTRACT}-{self._fingerprint}"
        self._latest = clock.now() + FUTURE_TOLERANCE
        self._schema: RowSchema | None = None
        self._foreign: dict[tuple[str, ...], RowSchema] = {}

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield pages from the cursor on.

        Raises:
            Retryable: FileChanged, or an error of the HTTP client.
            Permanent: FileNotFound, FileUnreadable, or InvalidSpec.
        """
        self._latest = self._clock.now() + FUTURE_TOLERANCE
        # A cursor of another mapping is dropped: the rows before it would be read differently now.
        usable = cursor if cursor.get("contract") == self.contract_version else {}
        if self._settings.url is None:
            return self._local_pages(usable)
        return self._remote_pages(usable, self._settings.url)

    def _local_pages(self, cursor: Cursor) -> Iterator[Page]:
        path = self._settings.path
        if path is None:
            raise Permanent(Reason.INVALID_SPEC, "csv has no path: it was not resolved to a file")
        with closing(LocalFile(path, label=self._settings.label or str(path))) as file:
            sample = file.fetch(0, min(SAMPLE_BYTES, file.size))
            head = self._read_head(sample, what=file.label, whole=len(sample) >= file.size)
            start = file.resume(cursor) or Place(head.end, head.lines)
            file.seek(start.offset)
            done = 0
            for page_records in self._build_pages(head, file.read, start=start):
                page = local_page(file, page_records, contract=self.contract_version, done=done)
                yield replace(page, starts_pass=page_records.start.offset == head.end)
                done += len(page_records.records)
            # Once more after the last page, and for a file whose cursor left no page to read.
            file.check_unchanged(upto=file.size)

    def _remote_pages(self, cursor: Cursor, url: str) -> Iterator[Page]:
        if self._http is None:
            raise Permanent(Reason.INVALID_SPEC, "csv.url needs the network, and there is none")
        stored = RemoteCursor.parse(cursor, url=url)
        with self._http.stream(url, validators=stored.condition) as response:
            if response.status == _NOT_MODIFIED:
                return
            received_at = written_at(response.validators) or self._clock.now()
            stream = ByteStream(response.chunks)
            sample, whole = stream.peek(SAMPLE_BYTES)
            head = self._read_head(sample, what=_display_url(url), whole=whole)
            start = stored.resume(response.validators) or Place(head.end, head.lines)
            # Skipped and not asked for by Range, which counts bytes as sent: of a gzip-encoded
            # body they are not the bytes that the cursor counts.
            stream.skip(start.offset)
            for page_records in self._build_pages(head, stream.read, start=start):
                page = remote_page(
                    url,
                    page_records,
                    contract=self.contract_version,
                    validators=response.validators,
                    received_at=received_at,
                )
                yield replace(page, starts_pass=page_records.start.offset == head.end)

    def _read_head(self, sample: bytes, *, what: str, whole: bool) -> Head:
        head = read_head(sample, self._settings, what=what, whole=whole)
        check_columns(self._settings, head.names)
        self._schema = RowSchema(self._settings, head.names)
        return head

    def _build_pages(self, head: Head, read: Read, *, start: Place) -> Iterator[PageRecords]:
        rows = RowReader(head.dialect, offset=start.offset, line=start.line).read(read)
        return build_pages(
            rows, self._require_schema(), start=start, max_records=self._settings.batch_size
        )

    def _require_schema(self) -> RowSchema:
        if self._schema is None:
            raise RuntimeError("the header comes first")
        return self._schema

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Return the quote of one row or its rejection; raises nothing for any row."""
        value = record.value
        if type(value) is list:
            schema, cells = self._require_schema(), value
        elif isinstance(value, BrokenRow):
            return Rejection(value.reason, None, value.detail)
        else:
            schema, cells = value
        if schema.missing:
            detail = f"the row has no column {schema.missing[0][:64]!r}"
            return Rejection(RejectReason.RAGGED_ROW, schema.missing[0], detail)
        return schema.judge(record, cells, received_at=received_at, latest=self._latest)

    def payload(self, record: RawRecord) -> str:
        """Return the row as a JSON object, column -> cell."""
        value = record.value
        if isinstance(value, BrokenRow):
            return broken_json(value)
        if isinstance(value, ForeignRow):
            return row_json(value.schema.names, value.cells)
        return row_json(self._require_schema().names, value)

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a stored payload, whichever header it was written under."""
        return self._restore(exact_json(payload))

    def _restore(self, payload: Any) -> RawRecord:
        broken = parse_broken(payload)
        if broken is not None:
            return RawRecord(None, broken_digest(broken), broken)
        schema = self._schema
        if schema is not None and schema.names_set == payload.keys():
            return schema.restore(payload)[0]
        schema = self._schema_of(payload)
        record, cells = schema.restore(payload)
        return record._replace(value=ForeignRow(schema, cells))

    def _schema_of(self, payload: Mapping[str, Any]) -> RowSchema:
        # Sorted: a JSON object, unlike a header, has no order of names.
        names = tuple(sorted(payload))
        if names not in self._foreign:
            if len(self._foreign) >= _MAX_FOREIGN_SCHEMAS:
                self._foreign.clear()
            self._foreign[names] = RowSchema(self._settings, names)
        return self._foreign[names]

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return column -> `string`, or `null` for an empty cell and for all of a broken row."""
        value = record.value
        if isinstance(value, BrokenRow):
            names = self._schema.names if self._schema else ()
            return dict.fromkeys(names, "null")
        schema, cells = value if isinstance(value, ForeignRow) else (self._require_schema(), value)
        return {
            name: "string" if cell else "null"
            for name, cell in zip(schema.names, cells, strict=True)
        }

    def close(self) -> None:
        """Do nothing: the file is closed when `pages` ends."""


def _display_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def open_csv(context: SourceContext) -> CsvReader:
    """Open a source of type CSV."""
    settings = settings_of(context.source, csv_path=context.csv_path)
    return CsvReader(settings, clock=context.clock, http=context.http)


_encode = msgspec.json.Encoder().encode
# The key of a broken row's reason: no column has an empty name, so that no valid row has this key.
_REASON = ""
_CELLS = "cells"


def row_json(names: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row as a JSON object."""
    return _encode(dict(zip(names, cells, strict=True))).decode()


def broken_json(row: BrokenRow) -> str:
    """Return the JSON object of a broken row: its reason and its cells."""
    return _encode({_REASON: f"{row.reason}: {row.detail}", _CELLS: row.cells}).decode()


def parse_broken(payload: Any) -> BrokenRow | None:
    """Return the broken row of a parsed payload, or None if the payload is a valid row."""
    if not isinstance(payload, Mapping) or not payload:
        detail = f"{type(payload).__name__} {str(payload)[:20]!r} where a row was expected"
        return BrokenRow(RejectReason.NOT_AN_OBJECT, detail, (str(payload)[:256],))
    if _REASON not in payload:
        return None
    reason, _, detail = str(payload[_REASON]).partition(": ")
    is_known = reason in RejectReason.__members__.values()
    cells = payload.get(_CELLS)
    return BrokenRow(
        RejectReason(reason) if is_known else RejectReason.NOT_AN_OBJECT,
        detail if is_known else "not a row that this version wrote",
        tuple(str(cell) for cell in cells) if isinstance(cells, list) else (),
    )
