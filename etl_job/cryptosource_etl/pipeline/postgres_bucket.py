"""A token bucket in Postgres, shared by every run that uses the same key.

Each Job is a process of its own, so a bucket in memory would be full at every start; the vendors
count per key and address. Same algorithm as the bucket in memory (GCRA), by the database's clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Retryable
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import rate_limits as sql


class PostgresBucket:
    """A `RateLimiter` whose state is one row per bucket.

    Args:
        engine: sessions apart from the loading one, because extraction runs in its own thread.
        requests_per_minute: the sustained rate.
        burst: requests that may go out at once after a pause.
        max_wait_seconds: a longer wait ends the run, which comes back later, instead of sleeping.
        clock: waits.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        requests_per_minute: float,
        burst: int,
        max_wait_seconds: float,
        clock: Clock,
    ) -> None:
        interval = 60.0 / requests_per_minute
        self._engine = engine
        self._pace = {"interval": interval, "tolerance": interval * (burst - 1)}
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock

    def acquire(self, key: str) -> None:
        """Wait until a request may go out. A penalty that comes meanwhile holds for waiters too.

        Raises:
            Retryable: RateLimited; the wait would be longer than a run may take.
            Stopped: the process is to stop.
        """
        while (wait := self._take(key)) > 0:
            if wait > self._max_wait_seconds:
                raise Retryable(
                    Reason.RATE_LIMITED,
                    f"the upstream wants no request for another {wait:.0f} s, more than "
                    "retry.maxDelaySeconds allows a run to wait",
                    retry_after=timedelta(seconds=wait),
                )
            self._clock.sleep(wait)

    def penalize(self, key: str, until: datetime) -> None:
        """Let nobody through before `until`; the burst is used up then."""
        with self._engine.begin() as connection:
            connection.execute(sql.PENALIZE, {"bucket": key, "until": until, **self._pace})

    def _take(self, key: str) -> float:
        """Take a token and return 0, or return the seconds until there may be one."""
        with self._engine.begin() as connection:
            connection.execute(sql.MAKE_BUCKET, {"bucket": key})
            wait = float(connection.scalar(sql.WAIT, {"bucket": key, **self._pace}) or 0)
            if wait <= 0:
                connection.execute(sql.TAKE, {"bucket": key, **self._pace})
            return wait
