"""A bounded buffer of recent entries that all clients share; each client has a position in it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


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
