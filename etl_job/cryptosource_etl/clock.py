"""Time as a dependency, so that tests own it. The only module that reads the system's clocks."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Stopped(Exception):
    """A wait was cut short because the process was asked to stop."""


class Clock(Protocol):
    """What the ETL needs of time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never step back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. Raises `Stopped` at once when the process is asked to stop."""
        ...

    def check(self) -> None:
        """Raise `Stopped` when the process is asked to stop: for waits that are not sleeps."""
        ...


class SystemClock:
    """The machine's clock. Sleeps end at once when `stop` is set."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`. Raises `Stopped` when the stop event is set before or meanwhile."""
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped

    def check(self) -> None:
        """Raise `Stopped` when the stop event is set."""
        if self._stop.is_set():
            raise Stopped
