"""A token bucket in Postgres, shared by every run that uses the same key.

The algorithm is that of the bucket in memory (GCRA), by the database's clock.
"""

# Each Job is a process of its own, so a bucket in memory would be full at every start, while
# vendors count requests per key and address.

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
        engine: opens sessions apart from the loading one; extraction runs in its own thread.
        requests_per_minute: the sustained rate.
        burst: requests that may go out at once after a pause.
        max_wait_seconds: a longer wait ends the run, to be repeated later, instead of sleeping.
        clock: used to wait.
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
        # GCRA allows a request that comes up to `tolerance` early; for a burst of one that is none.
        self._engine = engine
        self._pace = {"interval": interval, "tolerance": interval * (burst - 1)}
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock

    def acquire(self, key: str) -> None:
        """Wait until a request may go out.

        Raises:
            Retryable: RateLimited; the wait would be longer than `max_wait_seconds`.
            Stopped: the process is to end.
        """
        # Asked again after each wait: another run may have taken the token, or a penalty may have
        # come meanwhile, which holds for those who wait too.
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
        """Allow no request before `until`; the burst is used up then."""
        with self._engine.begin() as connection:
            connection.execute(sql.PENALIZE, {"bucket": key, "until": until, **self._pace})

    def _take(self, key: str) -> float:
        """Take a token and return 0, or return the seconds until one may be free."""
        # One short transaction: the row lock makes reading and taking one step among all runs, and
        # is not held while this one waits.
        with self._engine.begin() as connection:
            connection.execute(sql.MAKE_BUCKET, {"bucket": key})
            wait = float(connection.scalar(sql.WAIT, {"bucket": key, **self._pace}) or 0)
            if wait <= 0:
                connection.execute(sql.TAKE, {"bucket": key, **self._pace})
            return wait
