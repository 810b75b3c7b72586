"""Iterate in a thread of its own, one item ahead: read the next page while one is being loaded."""

# Extraction waits for a network or parses text; loading waits for Postgres. One page ahead is
# enough to hide the shorter of the two, and bounds memory whatever the source's size.

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Done:
    """The iterator has ended."""


class _Failed:
    """The iterator has raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Iterates over `items` in a thread of its own, one item ahead of the consumer.

    Args:
        items: called in the thread; closed there when the consumer leaves early.
        idle_seconds: how long to wait before `on_idle` is called, again and again.
        on_idle: called in the consumer's thread while it waits; what it raises ends the iteration.
    """

    def __init__(
        self,
        items: Callable[[], Iterator[T]],
        *,
        idle_seconds: float,
        on_idle: Callable[[], None],
    ) -> None:
        self._items = items
        self._idle_seconds = idle_seconds
        self._on_idle = on_idle
        self._queue: queue.Queue[T | _Done | _Failed] = queue.Queue(maxsize=1)
        self._leaving = threading.Event()
        # A thread starts with an empty context; its logs and spans belong to the run all the same.
        context = contextvars.copy_context()
        # A daemon, because a read that never returns must not keep a process from ending.
        self._thread = threading.Thread(
            target=context.run, args=(self._produce,), name="extract", daemon=True
        )

    def __enter__(self) -> Generator[T, None, None]:
        """Start the thread and return the items."""
        self._thread.start()
        return self._consume()

    def __exit__(self, *_: object) -> None:
        """Tell the thread to end; it does so at its next item."""
        self._leaving.set()
        # Empties the queue, so that a thread that waits to put an item ends at once.
        with contextlib.suppress(queue.Empty):
            self._queue.get_nowait()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _produce(self) -> None:
        iterator: Iterator[T] | None = None
        try:
            iterator = self._items()
            for item in iterator:
                if not self._put(item):
                    return
            self._put(_Done())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is consumed
            self._put(_Failed(error))
        finally:
            # In this thread: a generator cannot be closed by another one while it runs.
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _put(self, item: T | _Done | _Failed) -> bool:
        # With a timeout: a queue cannot be waited on together with the event, and a consumer that
        # left would never empty it.
        while not self._leaving.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return True
        return False

    def _consume(self) -> Generator[T, None, None]:
        while True:
            try:
                item = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                self._on_idle()
                continue
            if isinstance(item, _Done):
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item
