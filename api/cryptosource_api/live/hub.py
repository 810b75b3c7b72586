"""The ring that all clients share, and each client's way along it.

Only the event loop touches it. A change is kept once, whoever has still to be told; the oldest go
when the ring is full, and a client that had not come so far is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial

from sqlalchemy import URL

from cryptosource_api.live.events import Change, Event, Filters, notice
from cryptosource_api.live.following import Follower
from cryptosource_api.live.reading import (
    Broken,
    Place,
    missed_coins,
    place_of,
    portions,
    read_change,
)
from cryptosource_api.problems import URN, ApiProblem, Unavailable
from cryptosource_api.reads import Reads
from cryptosource_api.settings import ApiSettings

logger = logging.getLogger("cryptosource.api")

READY_SECONDS = 5.0
"""A client that comes while the database is away is told so after that."""
COINS_PER_READ = 500
TOO_SLOW = "too-slow"
SHUTTING_DOWN = "shutting-down"


class FellBehind(Exception):
    """The ring has passed a client."""


class Ring:
    """What happened lately.

    Args:
        most_bytes: kept; the newest is kept whatever its size.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: deque[Change | Event] = deque()
        self.used_bytes = 0
        self.end = 0
        """How much there ever was."""

    def append(self, happened: Change | Event) -> None:
        """Add something, and forget the oldest that do not fit any more."""
        self._kept.append(happened)
        self.used_bytes += _size(happened)
        self.end += 1
        while self.used_bytes > self._most_bytes and len(self._kept) > 1:
            self.used_bytes -= _size(self._kept.popleft())

    def at(self, place: int) -> Change | Event:
        """Return what happened at a place before the end.

        Raises:
            FellBehind: it is forgotten.
        """
        index = place - (self.end - len(self._kept))
        if index < 0:
            raise FellBehind
        return self._kept[index]

    def behind(self, id: str) -> int | None:  # noqa: A002
        """Return the place behind the change of an id; None where that is not kept."""
        for back, happened in enumerate(reversed(self._kept)):
            if isinstance(happened, Change) and happened.id == id:
                return self.end - back
        return None


def _size(happened: Change | Event) -> int:
    return happened.size_bytes if isinstance(happened, Change) else 200 + len(happened.data)


class Hub:
    """Knows what happens, and who listens.

    Args:
        url: the database.
        settings: the `stream_*` ones.
        reads: for clients that come back.
    """

    def __init__(self, url: URL, settings: ApiSettings, reads: Reads) -> None:
        self._url = url
        self.settings = settings
        self._reads = reads
        self._follower: Follower | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ring = Ring(settings.stream_backlog_bytes)
        self.head: str | None = None
        """The version that the end of the ring stands for; None before the database was heard."""
        self.hears = False
        self.closed = asyncio.Event()
        self.clients = 0
        self.of_sources = 0
        """Clients that want the sources' own records."""
        self._happened = asyncio.Event()

    async def enter(self) -> None:
        """Count a client in. `leave` must follow.

        Raises:
            Unavailable: there are enough clients, the database is away, or this is the end.
        """
        if self.closed.is_set():
            raise Unavailable("shutting-down", "This process is shutting down; connect again")
        if self.clients >= self.settings.stream_clients:
            raise Unavailable("too-many-streams", "Enough clients are connected; try again shortly")
        self.clients += 1
        try:
            await self._ready()
        except BaseException:
            self.clients -= 1
            raise

    def leave(self) -> None:
        """Count a client out."""
        self.clients -= 1

    async def _ready(self) -> None:
        if self._follower is None:
            self._loop = asyncio.get_running_loop()
            self._follower = Follower(self._url, self)
            self._follower.start()
        try:
            async with asyncio.timeout(READY_SECONDS):
                while self.head is None:
                    await self.wait(READY_SECONDS)
        except TimeoutError:
            raise Unavailable(
                "database-unavailable", "The database cannot be reached; try again shortly"
            ) from None

    def close(self) -> None:
        """Let every client go; called on the event loop when the process is to end."""
        self.closed.set()
        self._wake()
        if self._follower is not None:
            self._follower.stop()

    async def wait(self, seconds: float) -> None:
        """Return when something happened, or after so long."""
        happened = self._happened
        try:
            async with asyncio.timeout(seconds):
                await happened.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._happened.set()
        self._happened = asyncio.Event()

    # What the follower calls, on its thread.

    def wants(self) -> tuple[bool, bool]:
        """Return whether anybody listens, and whether to the sources' own records."""
        return self.clients > 0, self.of_sources > 0

    def connected(self, head: Place) -> None:
        """The database is heard."""
        self._on_loop(lambda: self._heard(str(head)))

    def changed(self, change: Change) -> None:
        """Something changed."""
        self._on_loop(lambda: self._append(change, change.id))

    def broke(self, head: Place, reason: str) -> None:
        """What changed cannot be told; everybody reads everything anew."""
        event = notice("reset", id=str(head), reason=reason)
        self._on_loop(lambda: self._append(event, str(head)))

    def lost(self) -> None:
        """The database is not heard any more."""
        self._on_loop(self._unheard)

    def _on_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None  # noqa: S101 - set before the follower is started
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _heard(self, head: str) -> None:
        if self.head is None:
            self.head = head
        elif not self.hears:
            self.ring.append(notice("status", database="ok"))
        self.hears = True
        self._wake()

    def _unheard(self) -> None:
        if self.hears:
            self.ring.append(notice("status", database="down"))
        self.hears = False
        self._wake()

    def _append(self, happened: Change | Event, head: str) -> None:
        self.ring.append(happened)
        self.head = head
        self._wake()

    # What a client is told.

    async def events(self, filters: Filters, since: Place | None) -> AsyncGenerator[Event | None]:
        """Yield what a client is told, for as long as it listens; None is a heartbeat.

        Args:
            filters: which records it wants.
            since: the last version it knows of; None begins with what happens from now on.
        """
        self.of_sources += filters.of_sources
        try:
            async for event in self._events(filters, since):
                yield event
        except ApiProblem as problem:  # of a read on the client's own behalf
            yield notice("dropped", reason=problem.kind.removeprefix(URN))
        finally:
            self.of_sources -= filters.of_sources

    async def _events(self, filters: Filters, since: Place | None) -> AsyncGenerator[Event | None]:
        place = self.ring.end
        kept = None if since is None or filters.of_sources else self.ring.behind(str(since))
        yield notice("open", id=self.head if since is None else None)
        if kept is not None:
            place = kept
        elif since is not None and str(since) != self.head:
            async for missed in self._missed(filters, since):
                yield missed
        while not self.closed.is_set():
            if place == self.ring.end:
                await self.wait(self.settings.stream_heartbeat_seconds)
                if place == self.ring.end and not self.closed.is_set():
                    yield None
                continue
            try:
                happened = self.ring.at(place)
            except FellBehind:
                yield notice("dropped", reason=TOO_SLOW)
                return
            place += 1
            async for event in self._told(happened, filters):
                yield event
        yield notice("dropped", reason=SHUTTING_DOWN)

    async def _told(self, happened: Change | Event, filters: Filters) -> AsyncGenerator[Event]:
        if not isinstance(happened, Change):
            yield happened
        elif happened.lacks(filters):
            async for event in self._missed(filters, place_of(happened.since)):
                yield event
        else:
            for event in happened.events(filters):
                yield event

    async def _missed(self, filters: Filters, since: Place) -> AsyncGenerator[Event]:
        """Yield the coins that changed while a client was away, as they are now."""
        try:
            head, coins = await self._reads(lambda connection: missed_coins(connection, since))
        except Broken as broken:
            yield notice("reset", id=self.head, reason=str(broken))
            return
        for portion in portions(coins, COINS_PER_READ):
            change = await self._reads(
                partial(
                    read_change,
                    asset_ids=portion,
                    since=since,
                    until=head,
                    own=filters.of_sources,
                )
            )
            for event in change.events(filters):
                yield Event(name=event.name, data=event.data)
        yield Event(name="change", data='{"data":[],"removed":[],"complete":true}', id=str(head))
