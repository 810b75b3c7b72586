"""Rate limiting: every request, retries included, takes a token from its bucket first."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime
from typing import Protocol

from cryptosource_etl.clock import Clock


class RateLimiter(Protocol):
    """One token bucket per key, in memory or in Postgres."""

    def acquire(self, key: str) -> None:
        """Wait until this bucket has a token for one request, and take it.

        Raises:
            Stopped: the process is asked to stop.
        """
        ...

    def penalize(self, key: str, until: datetime) -> None:
        """Give no token before `until`, as the upstream asked."""
        ...


def bucket_key(host: str, secret: str | None) -> str:
    """Return the name of the bucket of an API key at a host: vendors limit rates per key.

    It holds a digest instead of the key itself, because it is stored in Postgres.
    """
    if secret is None:
        return f"{host}#keyless"
    digest = hashlib.blake2b(secret.encode(), digest_size=8, person=b"cryptosource")
    return f"{host}#{digest.hexdigest()}"


class TokenBucket:
    """Buckets in memory for one process, by the generic cell rate algorithm (GCRA). Thread-safe.

    Args:
        requests_per_minute: the sustained rate.
        burst: requests that may go out at once after a pause.
        clock: measures time and waits.
    """

    def __init__(self, *, requests_per_minute: float, burst: int, clock: Clock) -> None:
        self._interval = 60.0 / requests_per_minute
        self._tolerance = self._interval * (burst - 1)
        self._clock = clock
        self._lock = threading.Lock()
        # GCRA's state of a bucket is one number, its theoretical arrival time: when it is full.
        self._arrival_times: dict[str, float] = {}

    def acquire(self, key: str) -> None:
        """Wait until one request may go out.

        Raises:
            Stopped: the process is asked to stop.
        """
        # A loop: a penalty may be set during the sleep, and holds for the threads that wait too.
        while (wait := self._take(key)) > 0:
            self._clock.sleep(wait)

    def penalize(self, key: str, until: datetime) -> None:
        """Give no token before `until`, and no burst at that time."""
        with self._lock:
            wait = (until - self._clock.now()).total_seconds()
            arrival_time = self._clock.monotonic() + wait + self._tolerance
            self._arrival_times[key] = max(arrival_time, self._arrival_times.get(key, arrival_time))

    def _take(self, key: str) -> float:
        """Take a token, or return the seconds after which one may be there."""
        with self._lock:
            now = self._clock.monotonic()
            arrival_time = max(self._arrival_times.get(key, now), now)
            wait = arrival_time - self._tolerance - now
            if wait <= 0:
                self._arrival_times[key] = arrival_time + self._interval
            return wait
