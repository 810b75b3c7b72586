"""Reading what the database knows, at most once in a few seconds however often it is scraped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.database.query_runner import QueryRunner
from cryptosource_api.http.problems import ApiProblem
from cryptosource_store.maintenance import ActionKind, Retention, plan_maintenance, read_partitions
from cryptosource_store.schema_migration import current_revision, serves
from cryptosource_store.statements.source_state import SOURCES_MEASURED, SYSTEM_MEASURED

logger = logging.getLogger("cryptosource.api")

SOURCES_SHOWN = 1000
"""Sources with metrics of their own; of the rest only their number is told."""
BELIEVED_SECONDS = 5.0
"""A reading, or the failure to get one, answers every scrape within that."""
NO_RETENTION = Retention(raw_days=None, quote_days=None)


@dataclass(frozen=True, kw_only=True)
class DatabaseSnapshot:
    """What the database knew at one moment."""

    sources: Sequence[Mapping[str, Any]]
    """Rows of `SOURCES_MEASURED`, at most `SOURCES_SHOWN`."""
    system: Mapping[str, Any]
    """The row of `SYSTEM_MEASURED`."""
    months_missing: Mapping[str, int]
    """Table -> partitions that should be there by now and are not; only those that lack any."""
    migration_pending: bool


def read(connection: Connection) -> DatabaseSnapshot:
    """Read everything, with four statements, on a connection in autocommit."""
    revision = current_revision(connection)
    sources = connection.execute(SOURCES_MEASURED, {"most": SOURCES_SHOWN}).mappings().all()
    system = connection.execute(SYSTEM_MEASURED).mappings().one()
    planned = plan_maintenance(read_partitions(connection), datetime.now(UTC), NO_RETENTION)
    missing = {
        action.table: len(action.months) for action in planned if action.kind is ActionKind.MAKE
    }
    return DatabaseSnapshot(
        sources=[{str(key): row[key] for key in row} for row in sources],
        system={str(key): system[key] for key in system},
        months_missing=missing,
        migration_pending=not serves(revision),
    )


class DatabaseSnapshots:
    """Keeps the newest reading.

    Args:
        reads: how to ask the database.
        believed_seconds: how long a reading answers.
    """

    def __init__(self, reads: QueryRunner, *, believed_seconds: float = BELIEVED_SECONDS) -> None:
        self._reads = reads
        self._believed_seconds = believed_seconds
        self._reading: DatabaseSnapshot | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def current(self) -> DatabaseSnapshot | None:
        """Return what the database knows; None while it cannot be asked."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= self._believed_seconds:
                self._asked_at = time.monotonic()
                self._reading = await self._read()
            return self._reading

    async def _read(self) -> DatabaseSnapshot | None:
        try:
            return await self._reads(read)
        except ApiProblem as problem:
            logger.warning("metrics of the database are missing", extra={"problem": problem.kind})
            return None
