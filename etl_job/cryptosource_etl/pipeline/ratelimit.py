"""A token bucket in Postgres, shared by every run that uses the same key.

Each Job is a process of its own, so a bucket in memory would be full at every start; the vendors
count per key and address. Same algorithm as the bucket in memory (GCRA), by the database's clock.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from cryptosource_etl.clock import Clock
from cryptosource_store.statements import rate_limits as sql


class PostgresBucket:
    """A `RateLimiter` whose state is one row per bucket.

    Args:
        engine: sessions apart from the loading one, because extraction runs in its own thread.
        requests_per_minute: the sustained rate.
        burst: requests that may go out at once after a pause.
        clock: waits.
    """

    def __init__(
        self, engine: Engine, *, requests_per_minute: float, burst: int, clock: Clock
    ) -> None:
        self._engine = engine
        self._interval = 60.0 / requests_per_minute
        self._burst = burst
        self._clock = clock

    def acquire(self, key: str) -> None:
        """Wait until a request may go out for this bucket.

        Raises:
            Stopped: the process is to stop.
        """
        parameters = {
            "bucket": key,
            "interval": self._interval,
            "tolerance": self._interval * (self._burst - 1),
        }
        with self._engine.begin() as connection:
            wait = connection.scalar(sql.TAKE, parameters)
        if wait and wait > 0:
            self._clock.sleep(float(wait))

    def penalize(self, key: str, until: datetime) -> None:
        """Let nobody through before `until`: the upstream said so."""
        parameters = {"bucket": key, "until": until, "interval": self._interval}
        parameters |= {"tolerance": self._interval * (self._burst - 1)}
        with self._engine.begin() as connection:
            connection.execute(sql.PENALIZE, parameters)
