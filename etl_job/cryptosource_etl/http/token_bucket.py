"""Pace: no request leaves before its bucket has a token for it, retries included."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime
from typing import Protocol

from cryptosource_etl.clock import Clock


class RateLimiter(Protocol):
    """A bucket per key, wherever its state lives."""

    def acquire(self, key: str) -> None:
        """Wait until one request may go out for this bucket.

        Raises:
            Stopped: the process is to stop.
        """
        ...

    def penalize(self, key: str, until: datetime) -> None:
        """Let nobody through before `until`: the upstream said so."""
        ...


def bucket_key(host: str, secret: str | None) -> str:
    """Name the bucket of a key at a host without naming the key: vendors count per key."""
    if secret is None:
        return f"{host}#keyless"
    digest = hashlib.blake2b(secret.encode(), digest_size=8, person=b"cryptosource")
    return f"{host}#{digest.hexdigest()}"


class TokenBucket:
    """A bucket in memory (GCRA), for one process and any number of threads.

    Args:
        requests_per_minute: the sustained rate.
        burst: requests that may go out at once after a pause.
        clock: measures and waits.
    """

    def __init__(self, *, requests_per_minute: float, burst: int, clock: Clock) -> None:
        self._interval = 60.0 / requests_per_minute
        self._tolerance = self._interval * (burst - 1)
        self._clock = clock
        self._lock = threading.Lock()
        self._full_again: dict[str, float] = {}

    def acquire(self, key: str) -> None:
        """Wait until one request may go out. A penalty that comes meanwhile holds for waiters too.

        Raises:
            Stopped: the process is to stop.
        """
        while (wait := self._take(key)) > 0:
            self._clock.sleep(wait)

    def penalize(self, key: str, until: datetime) -> None:
        """Let nobody through before `until`; the burst is used up then."""
        with self._lock:
            wait = (until - self._clock.now()).total_seconds()
            full = self._clock.monotonic() + wait + self._tolerance
            self._full_again[key] = max(full, self._full_again.get(key, full))

    def _take(self, key: str) -> float:
        """Take a token, or return the seconds after which one may be there."""
        with self._lock:
            now = self._clock.monotonic()
            full = max(self._full_again.get(key, now), now)
            wait = full - self._tolerance - now
            if wait <= 0:
                self._full_again[key] = full + self._interval
            return wait
