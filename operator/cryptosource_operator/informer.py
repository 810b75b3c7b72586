"""Following the children: a list, then a watch from where it ended, both selected by the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from cryptosource_operator.api_client import ApiClient, ApiError, ApiUnreachableError
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import GROUP, PLURAL, UID_LABEL, VERSION
from cryptosource_operator.watch_cache import CRONJOB, JOB, SOURCE, WatchCache

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""After a watch was lost."""

_PLACES = {
    SOURCE: (f"/apis/{GROUP}/{VERSION}", PLURAL),
    CRONJOB: ("/apis/batch/v1", "cronjobs"),
    JOB: ("/apis/batch/v1", "jobs"),
}


def paths(kind: str, namespaces: tuple[str, ...]) -> list[str]:
    """Return the paths under which the objects of a kind are listed; no namespaces: all of them."""
    prefix, plural = _PLACES[kind]
    scopes = [f"/namespaces/{name}" for name in namespaces] or [""]
    return [f"{prefix}{scope}/{plural}" for scope in scopes]


class Informer:
    """Keeps the cache in step with the children of one kind under one path.

    Args:
        api: the API server.
        cache: where objects are remembered.
        metrics: where events are counted.
        kind: CronJob or Job.
        path: see `paths`.
        look: called with the uid of a source about which something is new.
    """

    def __init__(
        self,
        api: ApiClient,
        cache: WatchCache,
        metrics: Metrics,
        *,
        kind: str,
        path: str,
        look: Callable[[str], None],
    ) -> None:
        self._api, self._cache, self._metrics = api, cache, metrics
        self._kind, self._path, self._look = kind, path, look
        self._version = ""
        """Where the watch goes on; empty: from a new list."""
        self._seen: set[str] = set()

    async def read(self) -> None:
        """Read the list, and forget what is not in it any more."""
        before, self._seen = self._seen, set()
        version = ""
        try:
            async for page in self._api.pages(self._path, selector=UID_LABEL):
                version = page["metadata"]["resourceVersion"]
                for thing in page.get("items") or ():
                    self._remember(thing)
        except BaseException:
            self._seen |= before
            raise
        for own_uid in before - self._seen:
            self._told(self._cache.drop(self._kind, own_uid))
        self._version = version

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                if not self._version:
                    await self.read()
                await self._watch()
            except (ApiError, ApiUnreachableError) as error:
                log.info("a watch was lost", extra={"kind": self._kind, "error": str(error)})
                if isinstance(error, ApiError):
                    self._version = ""
                await asyncio.sleep(PAUSE_SECONDS)

    async def _watch(self) -> None:
        watch = self._api.watch(self._path, selector=UID_LABEL, version=self._version)
        async for event in watch:
            thing = event["object"]
            if event["type"] == "ERROR":
                # Most often 410 Gone: the version is too old to go on from.
                raise ApiError(thing.get("code", 0), thing.get("message", ""))
            self._version = thing["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            self._metrics.watch_events.labels(self._kind).inc()
            if event["type"] == "DELETED":
                self._seen.discard(thing["metadata"]["uid"])
                self._told(self._cache.drop(self._kind, thing["metadata"]["uid"]))
            else:
                self._remember(thing)

    def _remember(self, thing: Mapping[str, Any]) -> None:
        self._seen.add(thing["metadata"]["uid"])
        self._told(self._cache.put(self._kind, thing))

    def _told(self, uid: str | None) -> None:
        if uid is not None:
            self._look(uid)
