"""Comparison of the API server's lists with what the watches have delivered.

At the start it tells when the cache is filled. After that it detects dead watches: a change that a
list shows and that no watch delivers in time was missed, and repeated misses make /healthz fail.
Missed objects are stored and their sources reconciled at once. Only metadata is listed, and nothing
is written.
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
"""Time between two looks at the cache while it is being filled."""
# An object that is listed may be deleted before it is delivered: waiting for it would never end.
RELIST_SECONDS = 2.0
"""After that the list is read again while the cache is being filled."""
MAX_SILENT_RELISTS = 30
"""A watch that delivers nothing during so many lists, while objects are absent, is dead."""
DELIVERY_SECONDS = 10.0
"""A listed change that is not delivered after that counts as missed."""
MAX_MISSED_ROUNDS = 3
"""A watch with so many rounds of missed changes, and nothing delivered between, is dead."""


class Resync:
    """Compares lists with the cache, at the start and then in rounds.

    Args:
        api: lists the objects.
        cache: holds what the watches delivered.
        metrics: counts missed changes.
        namespaces: the namespaces to list; none: all.
        enqueue: called with the uid of a source of which a change was missed.
    """

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
        """Return the kinds whose watch has missed changes in `MAX_MISSED_ROUNDS` rounds."""
        return [kind for kind, rounds in self._missed.items() if rounds >= MAX_MISSED_ROUNDS]

    async def check_served(self) -> None:
        """Check that every kind can be listed.

        Raises:
            ApiError: a kind is not served, or the operator may not list it.
            ApiUnreachableError: no answer came.
        """
        for kind in KINDS:
            for path in paths(kind, self._namespaces):
                await self._api.request("GET", f"{path}?limit=1", accept=METADATA_LIST)

    async def wait_until_filled(self) -> None:
        """Wait until the watches have delivered every object that is listed.

        Raises:
            ApiError: the API server refused a list.
            ApiUnreachableError: no answer came.
        """
        for kind in KINDS:
            await self._wait_for_kind(kind)

    async def compare(self) -> None:
        """Compare every kind once; store what was missed.

        Raises:
            ApiError: the API server refused a list.
            ApiUnreachableError: no answer came.
        """
        for kind in KINDS:
            await self._compare_kind(kind)

    async def _wait_for_kind(self, kind: str) -> None:
        loop = asyncio.get_running_loop()
        silent, deliveries = 0, self._cache.deliveries[kind]
        while absent := set(await self._list_versions(kind)) - set(self._cache.uids(kind)):
            relist_at = loop.time() + RELIST_SECONDS
            while loop.time() < relist_at:
                await asyncio.sleep(POLL_SECONDS)
                absent.difference_update(self._cache.uids(kind))
                if not absent:
                    self._missed[kind] = 0
                    return
            # Rounds of comparison begin when the cache is filled, so a watch that never delivers
            # anything has to be found here: the pod would stay unready and alive for ever.
            silent = silent + 1 if self._cache.deliveries[kind] == deliveries else 0
            deliveries = self._cache.deliveries[kind]
            if silent >= MAX_SILENT_RELISTS:
                self._missed[kind] = MAX_MISSED_ROUNDS
                log.warning(
                    "a watch delivers nothing", extra={"kind": kind, "objects": len(absent)}
                )
        self._missed[kind] = 0

    async def _compare_kind(self, kind: str) -> None:
        suspects = await self._find_differences(kind)
        if not suspects:
            # That list and cache agree proves nothing: there may have been no change to deliver. An
            # event since the last miss does.
            if self._cache.deliveries[kind] != self._deliveries_at_miss[kind]:
                self._missed[kind] = 0
            return
        await asyncio.sleep(DELIVERY_SECONDS)
        # An object that was delivered meanwhile is not missed, though it may have changed again.
        missed = {
            own_uid
            for own_uid, version in suspects.items()
            if self._cache.version(kind, own_uid) == version
        }
        missed &= set(await self._find_differences(kind))
        if not missed:
            self._missed[kind] = 0
            return
        self._missed[kind] += 1
        self._deliveries_at_miss[kind] = self._cache.deliveries[kind]
        self._metrics.missed_events.labels(kind).inc(len(missed))
        log.warning("a watch has missed changes", extra={"kind": kind, "objects": len(missed)})
        await self._repair(kind, missed)

    async def _find_differences(self, kind: str) -> dict[str, str | None]:
        """Return the uids of objects whose list and cache versions differ -> the cache's version."""
        listed = await self._list_versions(kind)
        known = {own_uid: self._cache.version(kind, own_uid) for own_uid in self._cache.uids(kind)}
        everything = listed.keys() | known.keys()
        return {uid: known.get(uid) for uid in everything if listed.get(uid) != known.get(uid)}

    async def _list_versions(self, kind: str) -> dict[str, str]:
        """Return the resource version of every listed object, by uid."""
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
