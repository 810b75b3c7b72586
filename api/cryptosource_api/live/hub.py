"""The rings that all clients share, one of the data and one of runs, and each client's way along.

Only the event loop touches them. A change is kept once, whoever has still to be told; the oldest go
when a ring is full, and a client that had not come so far is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import URL

from cryptosource_api.database.query_runner import QueryRunner
from cryptosource_api.http.problems import URN, ApiProblem, Unavailable
from cryptosource_api.live.change_listener import Follower, Wanted
from cryptosource_api.live.change_queries import (
    Broken,
    Place,
    missed_coins,
    place_of,
    portions,
    read_change,
)
from cryptosource_api.live.encoded_cache import EncodedCache
from cryptosource_api.live.events import Change, Event, Filters, OfSource, notice
from cryptosource_api.live.ring import FellBehind, Ring, RingEntry
from cryptosource_api.live.run_changes import RunChange
from cryptosource_api.settings import ApiSettings

logger = logging.getLogger("cryptosource.api")

READY_SECONDS = 5.0
"""A client that comes while the database is away is told so after that."""
COINS_PER_READ = 500
RUNS_SHARE = 4
"""The ring of runs has that part of the bytes that the ring of the data has."""
EVENTS_SHARE = 2
"""So have the events that clients with the same filters share."""
TOO_SLOW = "too-slow"
SHUTTING_DOWN = "shutting-down"

K = TypeVar("K", bound=RingEntry)


class Hub:
    """Knows what happens, and who listens.

    Args:
        url: the database.
        settings: the `stream_*` ones.
        reads: for clients that come back.
    """

    def __init__(self, url: URL, settings: ApiSettings, reads: QueryRunner) -> None:
        self._url = url
        self.settings = settings
        self._reads = reads
        self._follower: Follower | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ring: Ring[Change | Event] = Ring(settings.stream_backlog_bytes)
        self.runs: Ring[RunChange | Event] = Ring(settings.stream_backlog_bytes // RUNS_SHARE)
        self._events = EncodedCache(settings.stream_backlog_bytes // EVENTS_SHARE)
        self.head: str | None = None
        """The version that the end of the ring stands for; None before the database was heard."""
        self.hears = False
        self.closed = asyncio.Event()
        self.clients = 0
        self._listening: Counter[str] = Counter()
        """Clients by what they listen to: members of `Wanted`."""

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
                    await self.ring.wait(READY_SECONDS)
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

    def _wake(self) -> None:
        self.ring.wake()
        self.runs.wake()

    # What the follower calls, on its thread.

    def wants(self) -> Wanted:
        """Return what anybody listens to."""
        count = self._listening
        return Wanted(data=count["data"] > 0, own=count["own"] > 0, runs=count["runs"] > 0)

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

    def runs_changed(self, runs: Sequence[OfSource]) -> None:
        """Runs began, got on or ended."""
        change = RunChange(runs=runs)
        self._on_loop(lambda: self._append_of_runs(change))

    def runs_broke(self, reason: str) -> None:
        """Which runs changed cannot be told; everybody reads everything anew."""
        event = notice("reset", reason=reason)
        self._on_loop(lambda: self._append_of_runs(event))

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
            self._append_to_all(notice("status", database="ok"))
        self.hears = True
        self._wake()

    def _unheard(self) -> None:
        if self.hears:
            self._append_to_all(notice("status", database="down"))
        self.hears = False
        self._wake()

    def _append_to_all(self, event: Event) -> None:
        self.ring.append(event)
        self.runs.append(event)

    def _append(self, happened: Change | Event, head: str) -> None:
        self.head = head
        self.ring.append(happened)

    def _append_of_runs(self, happened: RunChange | Event) -> None:
        if self._listening["runs"]:  # who comes later reads what was committed before
            self.runs.append(happened)

    # What a client is told.

    async def events(self, filters: Filters, since: Place | None) -> AsyncGenerator[Event | None]:
        """Yield what a client is told, for as long as it listens; None is a heartbeat.

        Args:
            filters: which records it wants.
            since: the last version it knows of; None begins with what happens from now on.
        """
        self._listening.update(filters.needs)
        try:
            told = self._of_runs if filters.about == "runs" else partial(self._of_data, since=since)
            async for event in told(filters):
                yield event
            yield notice("dropped", reason=SHUTTING_DOWN)
        except FellBehind:
            yield notice("dropped", reason=TOO_SLOW)
        except ApiProblem as problem:  # of a read on the client's own behalf
            yield notice("dropped", reason=problem.kind.removeprefix(URN))
        finally:
            self._listening.subtract(filters.needs)

    async def _of_runs(self, filters: Filters) -> AsyncGenerator[Event | None]:
        place = self.runs.end
        yield notice("open")
        async for at, happened in self._along(self.runs, place):
            if isinstance(happened, RunChange):
                for event in self._encoded(at, happened, filters):
                    yield event
            else:
                yield happened

    async def _of_data(self, filters: Filters, since: Place | None) -> AsyncGenerator[Event | None]:
        place = self.ring.end
        kept = None if since is None or filters.of_sources else self._behind(str(since))
        yield notice("open", id=self.head if since is None else None)
        if kept is not None:
            place = kept
        elif since is not None and str(since) != self.head:
            async for missed in self._missed(filters, since):
                yield missed
        async for at, happened in self._along(self.ring, place):
            if not isinstance(happened, Change):
                yield happened
            elif happened.lacks(filters):
                async for missed in self._missed(filters, place_of(happened.since)):
                    yield missed
            else:
                for event in self._encoded(at, happened, filters):
                    yield event

    def _encoded(self, at: int, change: Change | RunChange, filters: Filters) -> list[Event]:
        """Return what clients with these filters are told of a change, encoded once for all."""
        return self._events.of(at, filters, lambda: change.events(filters))

    def _behind(self, id: str) -> int | None:  # noqa: A002
        return self.ring.behind(lambda kept: isinstance(kept, Change) and kept.id == id)

    async def _along(self, ring: Ring[K], place: int) -> AsyncGenerator[tuple[int, K | None]]:
        """Yield what is behind a place, and then what happens, with its place; None: a heartbeat.

        Raises:
            FellBehind: the ring has passed this client.
        """
        while not self.closed.is_set():
            if place < ring.end:
                yield place, ring.at(place)
                place += 1
                continue
            await ring.wait(self.settings.stream_heartbeat_seconds)
            if place == ring.end and not self.closed.is_set():
                yield place, None

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
