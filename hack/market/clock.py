"""The market's own time: it stands still or runs, and is advanced on demand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
"""Where a frozen clock stands unless told otherwise."""


class MarketClock:
    """Wall time for payloads, monotonic time for rate limits; `advance` moves both.

    Args:
        start: the wall time now; None is the machine's.
        frozen: wall time moves by `advance` alone. Monotonic time always runs, because the
            clients that are throttled by it wait in real time.
    """

    def __init__(self, start: datetime | None = None, *, frozen: bool = False) -> None:
        self._start = start or datetime.now(tz=UTC)
        self._frozen = frozen
        self._origin = time.monotonic()
        self._advanced = 0.0

    def now(self) -> datetime:
        """Return the market's wall time, aware, UTC."""
        elapsed = self._advanced if self._frozen else self.monotonic()
        return self._start + timedelta(seconds=elapsed)

    def monotonic(self) -> float:
        """Return seconds since the market opened, those it was advanced by included."""
        return time.monotonic() - self._origin + self._advanced

    def advance(self, seconds: float) -> datetime:
        """Move both times ahead and return the new wall time."""
        self._advanced += seconds
        return self.now()


def stamp(moment: datetime, *, milliseconds: bool = False) -> str:
    """Return a time as the vendors write it: `2026-01-15T12:00:00Z`, or with milliseconds."""
    precision = "milliseconds" if milliseconds else "seconds"
    text = moment.astimezone(UTC).isoformat(timespec=precision)
    return text.replace("+00:00", "Z")
