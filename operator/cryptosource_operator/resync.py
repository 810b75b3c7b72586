"""Comparing what the API server lists with what the watches delivered.

This is the operator's canary, and its own resync: a change that a list shows and no watch has
brought in time means a watch that is dead, however alive it looks. Nothing has to be written for
it, and it asks for metadata alone. What was missed is put right at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from cryptosource_operator.api_client import ApiClient
from cryptosource_operator.informer import paths
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import UID_LABEL
from cryptosource_operator.watch_cache import KINDS, SOURCE, WatchCache

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""What is listed and not delivered after that has been missed."""
ROUNDS_MISSED = 3
"""After so many rounds with something missed, and nothing delivered since, the watch is dead."""


class Resync:
    """Lists what is watched, at the start and then every so often."""

    def __init__(
        self,
        api: ApiClient,
        cache: WatchCache,
        metrics: Metrics,
        *,
        namespaces: tuple[str, ...],
        look: Callable[[str], None],
    ) -> None:
        self._api, self._cache, self._metrics = api, cache, metrics
        self._namespaces, self._look = namespaces, look
        self._missed = dict.fromkeys(KINDS, 0)

    @property
    def dead(self) -> list[str]:
        """Return the kinds whose watch has missed changes `ROUNDS_MISSED` times in a row."""
        return [kind for kind, rounds in self._missed.items() if rounds >= ROUNDS_MISSED]

    async def prime(self) -> None:
        """Fill the cache with sources."""
        async for thing in self._listed(SOURCE):
            self._told(self._cache.put(SOURCE, thing))

    async def compare(self) -> None:
        """Go one round."""
        for kind in KINDS:
            await self._round(kind)

    async def _round(self, kind: str) -> None:
        suspects = await self._unlike(kind)
        if not suspects:
            return
        await asyncio.sleep(PATIENCE_SECONDS)
        # What the watch has brought meanwhile is no suspect, however often it changed.
        missed = {
            own_uid
            for own_uid, version in suspects.items()
            if self._cache.version(kind, own_uid) == version
        }
        missed &= set(await self._unlike(kind))
        if not missed:
            self._missed[kind] = 0
            return
        self._missed[kind] += 1
        self._metrics.missed_events.labels(kind).inc(len(missed))
        log.warning("a watch has missed changes", extra={"kind": kind, "objects": len(missed)})
        await self._repair(kind, missed)

    async def _unlike(self, kind: str) -> dict[str, str | None]:
        """Return the objects of which list and cache disagree, with the version in the cache."""
        listed = {
            thing["metadata"]["uid"]: thing["metadata"]["resourceVersion"]
            async for thing in self._listed(kind, metadata_only=True)
        }
        known = {own_uid: self._cache.version(kind, own_uid) for own_uid in self._cache.known(kind)}
        everything = listed.keys() | known.keys()
        return {uid: known.get(uid) for uid in everything if listed.get(uid) != known.get(uid)}

    async def _repair(self, kind: str, missed: set[str]) -> None:
        present = set()
        async for thing in self._listed(kind):
            present.add(thing["metadata"]["uid"])
            if thing["metadata"]["uid"] in missed:
                self._told(self._cache.put(kind, thing))
        for own_uid in missed - present:
            self._told(self._cache.drop(kind, own_uid))

    def _told(self, uid: str | None) -> None:
        if uid is not None:
            self._look(uid)

    async def _listed(self, kind: str, *, metadata_only: bool = False) -> AsyncIterator[Any]:
        selector = "" if kind == SOURCE else UID_LABEL
        for path in paths(kind, self._namespaces):
            listing = self._api.list(path, selector=selector, metadata_only=metadata_only)
            async for thing in listing:
                yield thing
