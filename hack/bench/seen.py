"""What a person with `kubectl get --watch` would see of the sources, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kopf
import msgspec
from hack.bench import crowd

Source = dict[str, Any]
FOREVER = aiohttp.ClientTimeout(total=None)


class Seen:
    """The sources as a watch of our own tells them."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        """By uid."""
        self.last_change = time.perf_counter()
        self._listeners: list[Callable[[Source, float], None]] = []

    def put(self, source: Source) -> None:
        """Take a source as it now is."""
        self.last_change = time.perf_counter()
        self.sources[source["metadata"]["uid"]] = source
        for listener in self._listeners:
            listener(source, self.last_change)

    async def all_of(self, count: int, wanted: Callable[[Source], str | None]) -> dict[str, float]:
        """Wait until `wanted` has named so many different things; return when each was seen first.

        Args:
            count: how many.
            wanted: told every source that was changed; returns a name, or None.
        """
        first: dict[str, float] = {}
        enough = asyncio.Event()

        def listen(source: Source, moment: float) -> None:
            name = wanted(source)
            if name is not None:
                first.setdefault(name, moment)
                if len(first) >= count:
                    enough.set()

        self._listeners.append(listen)
        try:
            await enough.wait()
        finally:
            self._listeners.remove(listen)
        return first

    async def quiet(self, seconds: float) -> None:
        """Wait until no source has changed for so long."""
        while (elapsed := time.perf_counter() - self.last_change) < seconds:  # noqa: ASYNC110
            await asyncio.sleep(seconds - elapsed)


@asynccontextmanager
async def seeing(credentials: kopf.ConnectionInfo) -> AsyncIterator[Seen]:
    """Yield the sources, of which there are none yet, kept up to date by a watch."""
    seen = Seen()
    connector = aiohttp.TCPConnector(ssl=credentials.as_ssl_context())
    async with aiohttp.ClientSession(
        credentials.server, connector=connector, headers=credentials.as_http_headers()
    ) as session:
        task = asyncio.create_task(_watch(session, seen))
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _watch(session: aiohttp.ClientSession, seen: Seen) -> None:
    version = ""
    while True:
        query = {"watch": "1", "resourceVersion": version}
        async with session.get(crowd.SOURCES, params=query, timeout=FOREVER) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    source = msgspec.json.decode(line)["object"]
                    version = source["metadata"]["resourceVersion"]
                    seen.put(source)


def condition(source: Source, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition; ("", "") when it is absent."""
    for found in (source.get("status") or {}).get("conditions") or ():
        if found["type"] == kind:
            return found["status"], found["reason"]
    return "", ""


def converged(source: Source) -> str | None:
    """Return the uid of a source with its CronJob in place and Postgres asked; else None."""
    whole = condition(source, "Ready") == ("True", "AwaitingSchedule")
    return str(source["metadata"]["uid"]) if whole else None
