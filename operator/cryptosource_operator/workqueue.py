"""A work queue: each key is queued once, never worked on twice at a time, and may be delayed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.2
MAX_BACKOFF_SECONDS = 30.0


class WorkQueue:
    """Calls `work(key)` for every key that was added since its last call began.

    Args:
        work: works on one key; returns the seconds after which to call it again, or None. When it
            raises, the key is retried after a pause that doubles each time.
        workers: keys worked on at once.
        on_depth: called with the number of waiting keys.
    """

    def __init__(
        self,
        work: Callable[[str], Awaitable[float | None]],
        *,
        workers: int,
        on_depth: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._work = work
        self._on_depth = on_depth
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._count = workers

    def add(self, key: str) -> None:
        """Queue a key for the next free worker."""
        # Work under way may have read the state from before this call: it has to run once more.
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)
            self._on_depth(len(self._waiting))

    def add_later(self, key: str, seconds: float) -> None:
        """Queue a key after a delay; of several delays the one that ends first counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def forget(self, key: str) -> None:
        """Drop the timer and the failures of a key that is gone."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._worker())

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _worker(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._busy.add(key)
            self._on_depth(len(self._waiting))
            try:
                after = await self._work(key)
            except Exception:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                pause = min(FIRST_BACKOFF_SECONDS * 2 ** (failures - 1), MAX_BACKOFF_SECONDS)
                log.exception("will look at the source again", extra={"after_seconds": pause})
                self.add_later(key, pause)
            else:
                self._failures.pop(key, None)
                if after is not None:
                    self.add_later(key, after)
            finally:
                self._busy.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)
