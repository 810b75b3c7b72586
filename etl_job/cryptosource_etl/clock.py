"""The clock as a dependency, which tests replace. Only this module reads the system's clocks."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Stopped(Exception):
    """A wait ended early because the process is asked to stop."""


class Clock(Protocol):
    """A clock that can also wait."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences have a meaning."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Raises `Stopped` as soon as the process is asked to stop."""
        ...

    def check(self) -> None:
        """Raise `Stopped` if the process is asked to stop; for waits other than `sleep`."""
        ...


class SystemClock:
    """The machine's clock. A sleep ends as soon as `stop` is set."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`. Raises `Stopped` if the stop event is set, or becomes set meanwhile."""
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped

    def check(self) -> None:
        """Raise `Stopped` if the stop event is set."""
        if self._stop.is_set():
            raise Stopped
