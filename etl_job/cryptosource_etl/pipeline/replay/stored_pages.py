"""What is stored of a source, page by page, as if it were an upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine

from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Page, RawRecord
from cryptosource_store.statements import replay as sql

BEYOND = 2**63 - 1
"""Above every raw_id."""


class StoredRow(NamedTuple):
    """A row of `raw_records`."""

    raw_id: int
    ingested_at: datetime
    external_id: str | None
    observed_at: datetime | None
    """When its quote is said to be from; None for a record in quarantine."""
    digest: str
    scrubbed: bool
    """The payload is not what was received: scrubbed, or quoted as one JSON string."""
    payload: str
    """JSON text as Postgres prints it."""


class StoredPages:
    """The raw records of a claimed source, newest first: a `PageSource`.

    The newest record of a key is the one that counts, so in this order a record that leaves its
    key is gone before an older one of the same key asks for the place.

    Args:
        engine: gives each read a session apart from the one that loads.
        claim: whose records; nobody else adds any meanwhile.
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
        """Return pages whose records have a `StoredRow` as their value; nothing stays open."""
        yield ((page, None) for page in self._pages())

    def _pages(self) -> Iterator[Page]:
        before = BEYOND
        while rows := self._read(before):
            yield Page(
                records=[RawRecord(row.external_id, row.digest, row) for row in rows],
                cursor_after=lambda _: {},
                received_at=rows[0].ingested_at,
                starts_pass=before == BEYOND,
            )
            before = rows[-1].raw_id

    def _read(self, before: int) -> list[StoredRow]:
        with self._engine.connect() as connection:
            rows = connection.execute(sql.STORED_BEFORE, {**self._where, "before": before})
            return [StoredRow._make(row) for row in rows.columns(*StoredRow._fields)]
