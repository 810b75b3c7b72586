"""What happened lately, kept once for all clients, each of which has a place in it.

Only the event loop touches it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class FellBehind(Exception):
    """The ring has passed a client."""


class RingEntry(Protocol):
    """Something that happened."""

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it, about."""


K = TypeVar("K", bound=RingEntry)


class Ring(Generic[K]):
    """A bounded part of what happened.

    Args:
        most_bytes: kept; the newest is kept whatever its size.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: deque[K] = deque()
        self._news = asyncio.Event()
        self.used_bytes = 0
        self.end = 0
        """How much there ever was."""

    def append(self, happened: K) -> None:
        """Add something, forget the oldest that do not fit any more, and wake who waits."""
        self._kept.append(happened)
        self.used_bytes += happened.size_bytes
        self.end += 1
        while self.used_bytes > self._most_bytes and len(self._kept) > 1:
            self.used_bytes -= self._kept.popleft().size_bytes
        self.wake()

    def at(self, place: int) -> K:
        """Return what happened at a place before the end.

        Raises:
            FellBehind: it is forgotten.
        """
        index = place - (self.end - len(self._kept))
        if index < 0:
            raise FellBehind
        return self._kept[index]

    def behind(self, is_it: Callable[[K], bool]) -> int | None:
        """Return the place behind the newest that is looked for; None where it is not kept."""
        for back, happened in enumerate(reversed(self._kept)):
            if is_it(happened):
                return self.end - back
        return None

    def wake(self) -> None:
        """Let everybody who waits look round."""
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when something happened, or after so long."""
        news = self._news
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return
