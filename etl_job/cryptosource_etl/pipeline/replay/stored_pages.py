"""Read a source's stored raw records in pages, as if they came from an upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine

from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Page, RawRecord
from cryptosource_store.statements import replay as sql

ABOVE_ALL_IDS = 2**63 - 1
"""The largest bigint: above every raw_id."""


class StoredRow(NamedTuple):
    """A row of `raw_records`."""

    raw_id: int
    ingested_at: datetime
    external_id: str | None
    observed_at: datetime | None
    """Time of its observation; None for a record in quarantine."""
    digest: str
    scrubbed: bool
    """The payload differs from what was received: scrubbed, or stored as one JSON string."""
    payload: str
    """JSON text as Postgres prints it."""


class StoredPages:
    """The raw records of a claimed source, newest first: a `PageSource`.

    Args:
        engine: opens a session for each read, apart from the one that loads.
        claim: of the source whose records are read; no other run adds any meanwhile.
        batch_size: records per page.
    """

    def __init__(self, engine: Engine, claim: Claim, *, batch_size: int) -> None:
        self._engine = engine
        self._where = {
            "source_id": claim.source_id,
            "source_type": claim.source.source_type,
            "size": batch_size,
        }

    @contextmanager
    def open(self) -> Iterator[Iterable[tuple[Page, None]]]:
        """Return pages whose records have a `StoredRow` as their value."""
        yield ((page, None) for page in self._pages())

    def _pages(self) -> Iterator[Page]:
        # By key, not by a cursor of the server: it would hold a snapshot open for the whole replay.
        # Newest first, because the newest record of a key is the one that counts: one that leaves
        # its key is gone before an older one of the same key takes its place.
        before = ABOVE_ALL_IDS
        while rows := self._read(before):
            yield Page(
                records=[RawRecord(row.external_id, row.digest, row) for row in rows],
                cursor_after=lambda _: {},
                received_at=rows[0].ingested_at,
                starts_pass=before == ABOVE_ALL_IDS,
            )
            before = rows[-1].raw_id

    def _read(self, before: int) -> list[StoredRow]:
        with self._engine.connect() as connection:
            rows = connection.execute(sql.STORED_BEFORE, {**self._where, "before": before})
            return [StoredRow._make(row) for row in rows.columns(*StoredRow._fields)]
