"""Counters of a client's requests, waits and bytes, for the run's log and row."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Totals since the client was made."""

    requests: int = 0
    """Requests put on the wire, redirects and retries included."""
    retries: int = 0
    """Attempts after the first of their call."""
    waits: int = 0
    """Number of waits: for a token, after a failure, or as the upstream asked."""
    waited_seconds: float = 0.0
    """Total time of these waits."""
    body_bytes: int = 0
    """Bytes of bodies received, before decompression."""


class Counters:
    """Adds up a `Usage`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Replaced and never changed, so that `read` returns totals that belong together.
        self._usage = Usage()

    def read(self) -> Usage:
        """Return the totals so far."""
        with self._lock:
            return self._usage

    def add(self, *, requests: int = 0, retries: int = 0, body_bytes: int = 0) -> None:
        """Count requests, retries and bytes."""
        with self._lock:
            now = self._usage
            self._usage = replace(
                now,
                requests=now.requests + requests,
                retries=now.retries + retries,
                body_bytes=now.body_bytes + body_bytes,
            )

    def add_wait(self, seconds: float) -> None:
        """Count one wait, unless it took no time."""
        if seconds <= 0:
            return
        with self._lock:
            now = self._usage
            self._usage = replace(
                now, waits=now.waits + 1, waited_seconds=now.waited_seconds + seconds
            )
