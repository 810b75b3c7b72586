"""Comparing what the API server lists with what the watches delivered.

At the start it says when the watches have delivered everything. From then on it is the operator's
canary, and its own resync: a change that a list shows and no watch has brought in time means a
watch that is dead, however alive it looks. Nothing has to be written for it, and it asks for
metadata alone. What was missed is put right at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from cryptosource_operator.api_client import METADATA_LIST, ApiClient
from cryptosource_operator.kinds import KINDS, RESOURCES, paths
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.watch_cache import WatchCache

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
"""How often the cache is looked at while it is being filled."""
RELIST_SECONDS = 2.0
"""What is not delivered after that may have been deleted meanwhile: the list is read anew."""
DELIVERY_SECONDS = 10.0
"""What is listed and not delivered after that has been missed."""
MAX_MISSED_ROUNDS = 3
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
        enqueue: Callable[[str], None],
    ) -> None:
        self._api, self._cache, self._metrics = api, cache, metrics
        self._namespaces, self._enqueue = namespaces, enqueue
        self._missed = dict.fromkeys(KINDS, 0)
        self._deliveries_at_miss = dict.fromkeys(KINDS, 0)

    @property
    def dead(self) -> list[str]:
        """Return the kinds whose watch has missed changes `MAX_MISSED_ROUNDS` times in a row."""
        return [kind for kind, rounds in self._missed.items() if rounds >= MAX_MISSED_ROUNDS]

    async def check_served(self) -> None:
        """Return once every kind can be listed.

        Raises:
            ApiError: a kind is not served, or may not be listed.
            ApiUnreachableError: no answer came.
        """
        for kind in KINDS:
            for path in paths(kind, self._namespaces):
                await self._api.request("GET", f"{path}?limit=1", accept=METADATA_LIST)

    async def wait_until_filled(self) -> None:
        """Return once the watches have delivered every object that is listed.

        Raises:
            ApiError: the API server did not list them.
            ApiUnreachableError: no answer came.
        """
        for kind in KINDS:
            await self._wait_for_kind(kind)

    async def compare(self) -> None:
        """Go one round."""
        for kind in KINDS:
            await self._compare_kind(kind)

    async def _wait_for_kind(self, kind: str) -> None:
        loop = asyncio.get_running_loop()
        while absent := set(await self._list_versions(kind)) - set(self._cache.uids(kind)):
            relist_at = loop.time() + RELIST_SECONDS
            while loop.time() < relist_at:
                await asyncio.sleep(POLL_SECONDS)
                absent.difference_update(self._cache.uids(kind))
                if not absent:
                    return

    async def _compare_kind(self, kind: str) -> None:
        suspects = await self._differing(kind)
        if not suspects:
            # Agreement alone proves nothing: in a quiet cluster there may have been no change to
            # deliver. An event since the last miss does.
            if self._cache.deliveries[kind] != self._deliveries_at_miss[kind]:
                self._missed[kind] = 0
            return
        await asyncio.sleep(DELIVERY_SECONDS)
        # What the watch has brought meanwhile is no suspect, however often it changed.
        missed = {
            own_uid
            for own_uid, version in suspects.items()
            if self._cache.version(kind, own_uid) == version
        }
        missed &= set(await self._differing(kind))
        if not missed:
            self._missed[kind] = 0
            return
        self._missed[kind] += 1
        self._deliveries_at_miss[kind] = self._cache.deliveries[kind]
        self._metrics.missed_events.labels(kind).inc(len(missed))
        log.warning("a watch has missed changes", extra={"kind": kind, "objects": len(missed)})
        await self._repair(kind, missed)

    async def _differing(self, kind: str) -> dict[str, str | None]:
        """Return the objects of which list and cache disagree, with the version in the cache."""
        listed = await self._list_versions(kind)
        known = {own_uid: self._cache.version(kind, own_uid) for own_uid in self._cache.uids(kind)}
        everything = listed.keys() | known.keys()
        return {uid: known.get(uid) for uid in everything if listed.get(uid) != known.get(uid)}

    async def _list_versions(self, kind: str) -> dict[str, str]:
        """Return the resource version of every object that is listed, by uid."""
        return {
            obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"]
            async for obj in self._list(kind, metadata_only=True)
        }

    async def _repair(self, kind: str, missed: set[str]) -> None:
        present = set()
        async for obj in self._list(kind):
            present.add(obj["metadata"]["uid"])
            if obj["metadata"]["uid"] in missed:
                self._enqueue_source(self._cache.put(kind, obj))
        for own_uid in missed - present:
            self._enqueue_source(self._cache.drop(kind, own_uid))

    def _enqueue_source(self, uid: str | None) -> None:
        if uid is not None:
            self._enqueue(uid)

    async def _list(self, kind: str, *, metadata_only: bool = False) -> AsyncIterator[Any]:
        selector = RESOURCES[kind].label_selector
        for path in paths(kind, self._namespaces):
            listing = self._api.list(path, selector=selector, metadata_only=metadata_only)
            async for obj in listing:
                yield obj
