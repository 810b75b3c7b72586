"""Snapshots of the database for metrics, at most one in a few seconds for any number of scrapes."""

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
"""Most sources that have metrics of their own; the others are only counted."""
MAX_AGE_SECONDS = 5.0
"""Time for which a snapshot, or the failure to read one, answers every scrape."""
# Only partitions to be made matter here, not those past their retention.
NO_RETENTION = Retention(raw_days=None, quote_days=None)


@dataclass(frozen=True, kw_only=True)
class DatabaseSnapshot:
    """What the database contained at one moment."""

    sources: Sequence[Mapping[str, Any]]
    """Rows of `SOURCES_MEASURED`, at most `SOURCES_SHOWN`."""
    system: Mapping[str, Any]
    """The row of `SYSTEM_MEASURED`."""
    months_missing: Mapping[str, int]
    """Table -> number of partitions that should exist by now and do not, where any is missing."""
    migration_pending: bool
    """Whether the schema is older than this version needs."""


def read_snapshot(connection: Connection) -> DatabaseSnapshot:
    """Return a snapshot, read with four statements on a connection in autocommit."""
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
    """Reads snapshots and keeps the newest one.

    Args:
        reads: runs queries.
        max_age_seconds: time for which a snapshot answers.
    """

    def __init__(self, reads: QueryRunner, *, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._reads = reads
        self._max_age_seconds = max_age_seconds
        self._snapshot: DatabaseSnapshot | None = None
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self) -> DatabaseSnapshot | None:
        """Return a snapshot of at most that age; None while the database does not answer."""
        # Under a lock: scrapes at the same time share one reading.
        async with self._lock:
            if time.monotonic() - self._read_at >= self._max_age_seconds:
                # Before the reading: a failure counts too, so that scrapes do not queue for a
                # database that is away.
                self._read_at = time.monotonic()
                self._snapshot = await self._read()
            return self._snapshot

    async def _read(self) -> DatabaseSnapshot | None:
        try:
            return await self._reads(read_snapshot)
        except ApiProblem as problem:
            logger.warning("metrics of the database are missing", extra={"problem": problem.kind})
            return None
