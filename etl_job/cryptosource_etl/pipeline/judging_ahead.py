"""Judge records in the extracting thread, while Postgres is busy with the page before.

Judging is pure, so it does not matter when it happens; but only records that differ from what is
stored need it. So it is done ahead only while most records of the last pages needed it: an
unchanged snapshot stays as cheap as comparing digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from cryptosource_etl.pipeline.staging import PayloadOf, TextOf, quote_text
from cryptosource_etl.pipeline.storing import safe_payload
from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection
from cryptosource_etl.sources.plugin import SourceReader


class _Judged(NamedTuple):
    """The value of a record that has been judged; only this module looks inside."""

    record: RawRecord
    """As the reader gave it."""
    verdict: Quote | Rejection
    text: str
    """As a `TextOf` returns it; empty for a rejected record."""


def ready_text(payload_of: PayloadOf) -> TextOf:
    """Return a function that takes the text of a record that was judged ahead, or makes it."""

    def of(record: RawRecord, quote: Quote) -> str:
        value = record.value
        return value.text if type(value) is _Judged else quote_text(record, quote, payload_of)

    return of


class JudgingAhead:
    """A reader that may know the answer before it is asked.

    Args:
        reader: gives and judges the records.
    """

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self.contract_version = reader.contract_version
        self.uniform = reader.uniform
        self._asked = 0
        """Records that had to be judged since the last page was read."""
        self._lately: float | None = None
        """Such records per page, the last pages counting most; None before the first."""

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield the reader's pages, judged where that pays."""
        for page in self._reader.pages(cursor):
            yield self._judged(page) if self._pays(len(page.records)) else page

    def _pays(self, records: int) -> bool:
        """Return whether a page of that many records will probably need judging.

        What is known is one page old, for that page is being loaded only now: so an average over
        the last few decides, and a run begins as if everything were new.
        """
        asked, self._asked = self._asked, 0
        if self._lately is None:
            self._lately = float(records)
            return True
        self._lately = (self._lately + asked) / 2
        return self._lately * 4 >= records

    def _judged(self, page: Page) -> Page:
        normalize, payload_of = self._reader.normalize, safe_payload(self._reader.payload)
        records = []
        for record in page.records:
            verdict = normalize(record, received_at=page.received_at)
            text = "" if isinstance(verdict, Rejection) else quote_text(record, verdict, payload_of)
            value = _Judged(record, verdict, text)
            records.append(RawRecord(record.external_id, record.digest, value))
        return replace(page, records=records)

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Judge one record, unless it has been judged."""
        self._asked += 1
        value = record.value
        if type(value) is _Judged:
            return value.verdict
        return self._reader.normalize(record, received_at=received_at)

    def payload(self, record: RawRecord) -> str:
        """Return the record as JSON text."""
        return self._reader.payload(_as_read(record))

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a stored payload."""
        return self._reader.restore(payload)

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return field -> JSON type."""
        return self._reader.shape(_as_read(record))

    def close(self) -> None:
        """Let go of the reader."""
        self._reader.close()


def _as_read(record: RawRecord) -> RawRecord:
    value = record.value
    return value.record if type(value) is _Judged else record
