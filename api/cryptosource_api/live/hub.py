"""The rings that all clients share, one of the data and one of runs, and the streams of events.

A change is stored once for all clients. When a ring is full the oldest changes are dropped, and a
client that had not read them is disconnected. Only the event loop uses the rings.
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
from cryptosource_api.live.change_listener import ChangeListener, Interest
from cryptosource_api.live.change_queries import (
    ChangesUnknown,
    StreamPosition,
    missed_coins,
    parse_position,
    portions,
    read_change,
)
from cryptosource_api.live.events import Change, Event, Filters, StreamItem, notice
from cryptosource_api.live.ring import EncodedCache, FellBehind, Ring, RingEntry
from cryptosource_api.live.run_changes import RunChange
from cryptosource_api.settings import ApiSettings

logger = logging.getLogger("cryptosource.api")

READY_SECONDS = 5.0
"""Time after which a client that connects while the database is away is refused."""
COINS_PER_READ = 500
RUNS_SHARE = 4
"""The ring of runs has this fraction (one quarter) of the bytes of the data's ring."""
EVENTS_SHARE = 2
"""The cache of encoded events has this fraction (one half) of the bytes of the data's ring."""
TOO_SLOW = "too-slow"
SHUTTING_DOWN = "shutting-down"

K = TypeVar("K", bound=RingEntry)


class Hub:
    """Receives changes from the listener and streams them to clients.

    Args:
        url: the database.
        settings: the `stream_*` ones.
        reads: reads what clients that reconnect have missed.
    """

    def __init__(self, url: URL, settings: ApiSettings, reads: QueryRunner) -> None:
        self._url = url
        self.settings = settings
        self._reads = reads
        self._listener: ChangeListener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ring: Ring[Change | Event] = Ring(settings.stream_backlog_bytes)
        self.runs: Ring[RunChange | Event] = Ring(settings.stream_backlog_bytes // RUNS_SHARE)
        self._events = EncodedCache(settings.stream_backlog_bytes // EVENTS_SHARE)
        self.head: str | None = None
        """Version of the data at the end of the ring; None before the first connection."""
        self.connected_to_database = False
        self.closed = asyncio.Event()
        self.clients = 0
        self._listening: Counter[str] = Counter()
        """Clients by the kind of changes they listen to: the fields of `Interest`."""

    async def enter(self) -> None:
        """Register a client. `leave` must follow.

        Raises:
            Unavailable: too many clients, the database is away, or the process is ending.
        """
        if self.closed.is_set():
            raise Unavailable("shutting-down", "This process is shutting down; connect again")
        if self.clients >= self.settings.stream_clients:
            raise Unavailable("too-many-streams", "Enough clients are connected; try again shortly")
        # Before the wait for the database, or clients that wait together could exceed the limit.
        self.clients += 1
        try:
            await self._wait_for_database()
        except BaseException:
            self.clients -= 1
            raise

    def leave(self) -> None:
        """Unregister a client."""
        self.clients -= 1

    async def _wait_for_database(self) -> None:
        if self._listener is None:
            # With the first client: a process without streams needs no session that listens.
            self._loop = asyncio.get_running_loop()
            self._listener = ChangeListener(self._url, self)
            self._listener.start()
        try:
            async with asyncio.timeout(READY_SECONDS):
                while self.head is None:
                    await self.ring.wait(READY_SECONDS)
        except TimeoutError:
            raise Unavailable(
                "database-unavailable", "The database cannot be reached; try again shortly"
            ) from None

    def close(self) -> None:
        """End all streams; called on the event loop when the process is to end."""
        self.closed.set()
        self._wake()
        if self._listener is not None:
            self._listener.stop()

    def _wake(self) -> None:
        self.ring.wake()
        self.runs.wake()

    # The methods of `ChangeHandler`, which the listener calls on its thread.

    def interest(self) -> Interest:
        """Return the kinds of changes that have clients."""
        # A count may be stale: what was not read for a new client is read for it (`Change.lacks`).
        count = self._listening
        return Interest(data=count["data"] > 0, own=count["own"] > 0, runs=count["runs"] > 0)

    def connected(self, head: StreamPosition) -> None:
        """Mark the database as connected."""
        self._on_loop(lambda: self._mark_connected(str(head)))

    def changed(self, change: Change) -> None:
        """Append a change of the data."""
        self._on_loop(lambda: self._append(change, change.id))

    def broke(self, head: StreamPosition, reason: str) -> None:
        """Append a reset: it is unknown what changed, and clients have to read all data again."""
        event = notice("reset", id=str(head), reason=reason)
        self._on_loop(lambda: self._append(event, str(head)))

    def runs_changed(self, runs: Sequence[StreamItem]) -> None:
        """Append runs that began, progressed or ended."""
        change = RunChange(runs=runs)
        self._on_loop(lambda: self._append_run_entry(change))

    def runs_broke(self, reason: str) -> None:
        """Append a reset: it is unknown which runs changed."""
        event = notice("reset", reason=reason)
        self._on_loop(lambda: self._append_run_entry(event))

    def lost(self) -> None:
        """Mark the database as away."""
        self._on_loop(self._mark_disconnected)

    def _on_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None  # noqa: S101 - set before the listener is started
        # The listener may still report something while the process ends.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _mark_connected(self, head: str) -> None:
        if self.head is None:
            self.head = head
        elif not self.connected_to_database:
            self._append_to_all(notice("status", database="ok"))
        self.connected_to_database = True
        self._wake()

    def _mark_disconnected(self) -> None:
        if self.connected_to_database:
            self._append_to_all(notice("status", database="down"))
        self.connected_to_database = False
        self._wake()

    def _append_to_all(self, event: Event) -> None:
        self.ring.append(event)
        self.runs.append(event)

    def _append(self, entry: Change | Event, head: str) -> None:
        self.head = head
        self.ring.append(entry)

    def _append_run_entry(self, entry: RunChange | Event) -> None:
        if self._listening["runs"]:  # a client that comes later reads the runs from /stats
            self.runs.append(entry)

    # The streams of clients.

    async def events(
        self, filters: Filters, since: StreamPosition | None
    ) -> AsyncGenerator[Event | None]:
        """Yield the events for a client until it is dropped; None is a heartbeat.

        Args:
            filters: the items it subscribes to.
            since: the last version it has; None begins with the next change.
        """
        self._listening.update(filters.needs)
        try:
            stream = (
                self._run_events(filters)
                if filters.about == "runs"
                else self._data_events(filters, since)
            )
            async for event in stream:
                yield event
            yield notice("dropped", reason=SHUTTING_DOWN)
        except FellBehind:
            yield notice("dropped", reason=TOO_SLOW)
        except ApiProblem as problem:  # of reading what the client has missed
            yield notice("dropped", reason=problem.kind.removeprefix(URN))
        finally:
            self._listening.subtract(filters.needs)

    async def _run_events(self, filters: Filters) -> AsyncGenerator[Event | None]:
        place = self.runs.end
        yield notice("open")
        async for at, entry in self._follow(self.runs, place):
            if isinstance(entry, RunChange):
                for event in self._encode(at, entry, filters):
                    yield event
            else:
                yield entry

    async def _data_events(
        self, filters: Filters, since: StreamPosition | None
    ) -> AsyncGenerator[Event | None]:
        # Taken before anything is read: what is committed meanwhile is sent twice and not missed.
        position = self.ring.end
        in_ring = None if since is None or filters.of_sources else self._position_after(str(since))
        yield notice("open", id=self.head if since is None else None)
        if in_ring is not None:
            position = in_ring
        elif since is not None and str(since) != self.head:
            async for missed in self._catch_up(filters, since):
                yield missed
        async for at, entry in self._follow(self.ring, position):
            if not isinstance(entry, Change):
                yield entry
            elif entry.lacks(filters):  # read before any client had such filters
                async for missed in self._catch_up(filters, parse_position(entry.since)):
                    yield missed
            else:
                for event in self._encode(at, entry, filters):
                    yield event

    def _encode(self, at: int, change: Change | RunChange, filters: Filters) -> list[Event]:
        """Return a change's events for clients with these filters, encoded once for all of them."""
        return self._events.get_or_encode(at, filters, lambda: change.events(filters))

    def _position_after(self, id: str) -> int | None:  # noqa: A002
        return self.ring.position_after(lambda each: isinstance(each, Change) and each.id == id)

    async def _follow(self, ring: Ring[K], position: int) -> AsyncGenerator[tuple[int, K | None]]:
        """Yield a ring's entries from a position on, each with its position; None: a heartbeat.

        Raises:
            FellBehind: the entry at the client's position has been dropped.
        """
        while not self.closed.is_set():
            if position < ring.end:
                yield position, ring.at(position)
                position += 1
                continue
            await ring.wait(self.settings.stream_heartbeat_seconds)
            if position == ring.end and not self.closed.is_set():
                yield position, None

    async def _catch_up(self, filters: Filters, since: StreamPosition) -> AsyncGenerator[Event]:
        """Yield the current records of the coins that changed while a client was away."""
        try:
            head, coins = await self._reads(lambda connection: missed_coins(connection, since))
        except ChangesUnknown as gap:
            yield notice("reset", id=self.head, reason=str(gap))
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
                # Without an id: a client that breaks off here has to begin again at `since`.
                yield Event(name=event.name, data=event.data)
        yield Event(name="change", data='{"data":[],"removed":[],"complete":true}', id=str(head))
