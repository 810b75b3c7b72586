"""The memory that all clients share: a bounded buffer of recent entries, and their encoded events.

Each client has a position in the ring. Clients are woken together, so those with the same filters
need the same events at the same time; `EncodedCache` encodes them once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from cryptosource_api.live.events import Event, Filters

ENTRY_BYTES = 300
"""Memory of an entry of the cache besides its events."""


class FellBehind(Exception):
    """The entry at a client's position has been dropped from the ring."""


class RingEntry(Protocol):
    """An entry of a ring."""

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the entry."""


K = TypeVar("K", bound=RingEntry)


class Ring(Generic[K]):
    """The newest entries, at positions that count from 0. Only the event loop may use it.

    Args:
        max_bytes: memory of the entries; the newest is kept whatever its size.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: deque[K] = deque()
        self._news = asyncio.Event()
        self.used_bytes = 0
        self.end = 0
        """Position of the next entry: the number of entries there ever were."""

    def append(self, entry: K) -> None:
        """Add an entry, drop the oldest beyond the limit, and wake waiting clients."""
        self._entries.append(entry)
        self.used_bytes += entry.size_bytes
        self.end += 1
        while self.used_bytes > self._max_bytes and len(self._entries) > 1:
            self.used_bytes -= self._entries.popleft().size_bytes
        self.wake()

    def at(self, position: int) -> K:
        """Return the entry at a position before the end.

        Raises:
            FellBehind: it has been dropped.
        """
        index = position - (self.end - len(self._entries))
        if index < 0:
            raise FellBehind
        return self._entries[index]

    def position_after(self, matches: Callable[[K], bool]) -> int | None:
        """Return the position after the newest entry that matches; None if there is none."""
        for back, entry in enumerate(reversed(self._entries)):
            if matches(entry):
                return self.end - back
        return None

    def wake(self) -> None:
        """Wake waiting clients, also without a new entry."""
        # A new event for those that wait next: clearing this one could lose a client that has not
        # run yet.
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return after the next `wake`, or after so many seconds."""
        news = self._news
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return


class EncodedCache:
    """Encoded events by ring position and filters. Only the event loop may use it.

    Args:
        max_bytes: memory of the events; the newest are kept whatever their size.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[int, Filters], tuple[int, list[Event]]] = OrderedDict()
        self.used_bytes = 0

    def get_or_encode(
        self, position: int, filters: Filters, encode: Callable[[], list[Event]]
    ) -> list[Event]:
        """Return the events of a ring's entry for clients with these filters.

        Args:
            position: of the entry, in the ring that the filters are about.
            filters: of a client.
            encode: called if the events are not cached.
        """
        key = position, filters
        cached = self._entries.get(key)
        if cached is not None:
            return cached[1]
        events = encode()
        # Twice: the text, and its frame for the protocol, which the event caches.
        size = ENTRY_BYTES + 2 * sum(event.size_bytes for event in events)
        self._entries[key] = size, events
        self.used_bytes += size
        # Events for a client that comes much later are encoded again, which bounds the memory.
        while self.used_bytes > self._max_bytes and len(self._entries) > 1:
            _, (oldest, _) = self._entries.popitem(last=False)
            self.used_bytes -= oldest
        return events
