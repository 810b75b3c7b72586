"""A cache of run histories, invalidated by notifications from Postgres."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.source_facts import HistoryFacts
from cryptosource_operator.store_client import DatabaseDown, RunHistoryReader, StoredSource

log = logging.getLogger(__name__)


class RunHistoryCache:
    """Run histories of sources, by uid.

    Args:
        database: None where none is configured: no source has a history then.
    """

    def __init__(self, database: RunHistoryReader | None) -> None:
        self._database = database
        self._sources: dict[str, StoredSource] = {}
        # Counts invalidations. A read that was under way during one may have seen the old rows,
        # so its result is returned but not kept.
        self._changes = 0

    def invalidate(self, uid: str) -> None:
        """Drop one history: its runs or checkpoint changed."""
        self._changes += 1
        self._sources.pop(uid, None)

    def invalidate_all(self) -> None:
        """Drop every history: notifications may have been missed."""
        self._changes += 1
        self._sources.clear()

    def forget(self, uid: str) -> None:
        """Drop the history of a source that is gone."""
        self._sources.pop(uid, None)

    async def retire(self, uid: str) -> None:
        """Mark a source as retired in Postgres, unless Postgres is down."""
        if self._database is not None:
            # What fails here is found later: `SourceRetirement` compares Postgres with the cluster.
            with contextlib.suppress(DatabaseDown):
                await self._database.retire(uid)

    async def get(self, uid: str, source: CryptoSource | None) -> HistoryFacts | None:
        """Return the run history of a source; None while Postgres cannot be reached.

        Its row of `sources` is updated on the way where it differs from the spec, as a run's claim
        would do; `source` is None where the spec cannot be parsed.
        """
        if self._database is None:
            return None
        try:
            return await self._read(self._database, uid, source)
        except DatabaseDown:
            self._sources.pop(uid, None)
            return None

    async def _read(
        self, database: RunHistoryReader, uid: str, source: CryptoSource | None
    ) -> HistoryFacts:
        changes = self._changes
        row = None if source is None else database.registration(source)
        stored = self._sources.get(uid) or await database.read(uid, row)
        if source is not None and row is not None and not _matches(stored, row):
            await database.register(source)
            stored = await database.read(uid)
        if stored is None:
            return HistoryFacts()
        if changes == self._changes:
            self._sources[uid] = stored
        return stored.history


def _matches(stored: StoredSource | None, registration: Mapping[str, Any]) -> bool:
    if stored is None:
        return False
    return all(stored.row[name] == value for name, value in registration.items())
