"""Judge stored raw records again, by the source's present rules, without calling the upstream.

A replay is a run like any other: it claims the source, writes pages, and can be interrupted. It
leaves the checkpoint alone. What comes out of quarantine is marked as replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Engine

from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.statements import replaying as sql


class ReplayReader:
    """A `SourceReader` whose upstream is the raw table.

    Args:
        reader: judges the records.
        engine: reads them, on sessions apart from the one that loads.
        uid: of the source.
        batch_size: records per page.
    """

    uniform = False
    keeps_checkpoint = True
    """Pages of a replay never move the checkpoint."""

    def __init__(self, reader: SourceReader, engine: Engine, *, uid: str, batch_size: int) -> None:
        self._reader = reader
        self._engine = engine
        self._uid = uid
        self._batch_size = batch_size
        self.contract_version = reader.contract_version

    def pages(self, cursor: Cursor) -> Iterator[Page]:  # noqa: ARG002 - a replay starts over
        """Yield what is stored, oldest first."""
        last = 0
        while rows := self._read(last):
            last = rows[-1].raw_id
            records = [
                self._reader.restore(row.payload)._replace(digest=row.digest) for row in rows
            ]
            yield Page(records=records, cursor_after=lambda _: {}, received_at=rows[-1].ingested_at)

    def _read(self, last: int) -> list[sql.StoredRecord]:
        parameters = {"uid": self._uid, "last": last, "limit": self._batch_size}
        with self._engine.connect() as connection:
            rows = connection.execute(sql.RAW_AFTER, parameters)
            return [sql.StoredRecord(*row) for row in rows]

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Judge one record; see `SourceReader`."""
        return self._reader.normalize(record, received_at=received_at)

    def payload(self, record: RawRecord) -> str:
        """Return the stored JSON text; see `SourceReader`."""
        return self._reader.payload(record)

    def restore(self, payload: str) -> RawRecord:
        """See `SourceReader`."""
        return self._reader.restore(payload)

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """See `SourceReader`."""
        return self._reader.shape(record)

    def close(self) -> None:
        """See `SourceReader`."""
        self._reader.close()
