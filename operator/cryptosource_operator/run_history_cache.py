"""What Postgres knows of each source, read again when it says that it has changed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.run_history import DatabaseDown, Known, RunHistoryReader
from cryptosource_operator.source_facts import HistoryFacts

log = logging.getLogger(__name__)


class RunHistoryCache:
    """Mirrors of sources, by uid.

    Args:
        database: None where there is none: nothing is known of any source then.
    """

    def __init__(self, database: RunHistoryReader | None) -> None:
        self._database = database
        self._known: dict[str, Known] = {}
        self._changes = 0
        """Counts what made something outdated: a read that began before it is not kept."""

    def outdated(self, uid: str) -> None:
        """Have a source read again when it is next looked at."""
        self._changes += 1
        self._known.pop(uid, None)

    def all_outdated(self) -> None:
        """Have every source read again: something may have been missed."""
        self._changes += 1
        self._known.clear()

    def forget(self, uid: str) -> None:
        """Drop what is known of a source that is gone."""
        self._known.pop(uid, None)

    async def retire(self, uid: str) -> None:
        """Say that a source is gone. While Postgres is down that is left to `Retirer`."""
        if self._database is not None:
            with contextlib.suppress(DatabaseDown):
                await self._database.retire(uid)

    async def of(self, uid: str, source: CryptoSource | None) -> HistoryFacts | None:
        """Return what Postgres knows of a source; None when it cannot be asked.

        The source's own row is brought in step on the way, as a run's claim would do.
        """
        if self._database is None:
            return None
        try:
            return await self._asked(self._database, uid, source)
        except DatabaseDown:
            self._known.pop(uid, None)
            return None

    async def _asked(
        self, database: RunHistoryReader, uid: str, source: CryptoSource | None
    ) -> HistoryFacts:
        changes = self._changes
        row = None if source is None else database.registration(source)
        known = self._known.get(uid) or await database.known(uid, row)
        if source is not None and row is not None and not _in_step(known, row):
            await database.register(source)
            known = await database.known(uid)
        if known is None:
            return HistoryFacts()
        if changes == self._changes:
            self._known[uid] = known
        return known.mirror


def _in_step(known: Known | None, registration: Mapping[str, Any]) -> bool:
    if known is None:
        return False
    return all(known.row[name] == value for name, value in registration.items())
