"""Rate limits that replicas share through Redis.

While Redis is away each process counts by itself: the limits are then looser, by the number of
replicas, but not gone. One request in `RETRY_SECONDS` tries Redis, and the others do not wait.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from cryptosource_api.http.rate_limits import WINDOW_SECONDS, Count, LocalBuckets, Rate

logger = logging.getLogger("cryptosource.api")

PREFIX = "cryptosource:rate:"
ANSWER_SECONDS = 0.25
RETRY_SECONDS = 5.0

# The same algorithm as `LocalBuckets.take`. By Redis' clock, so that the replicas' clocks do not
# matter; Redis before 5 needs `replicate_commands` to write after it has read the clock.
TAKE = f"""
redis.replicate_commands()
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local filled = empty_at + tonumber(ARGV[1])
if filled - now > {WINDOW_SECONDS} + 0.000001 then return {{0, tostring(empty_at - now)}} end
redis.call('SET', KEYS[1], string.format('%.6f', filled), 'PX', math.ceil((filled - now) * 1000))
return {{1, tostring(filled - now)}}
"""
"""Takes one request from a bucket: returns whether it is allowed, and the backlog in seconds. A bucket
expires when it is empty."""


class SharedRateLimits:
    """Counts in Redis, or in this process while Redis is away.

    Args:
        url: of Redis; it may contain a password and is never logged.
    """

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis  # noqa: PLC0415 - only where it is used

        self._redis: Any = Redis.from_url(
            url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        )
        self._take = self._redis.register_script(TAKE)
        self._local = LocalBuckets()
        self._retry_at = 0.0

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    async def take(self, bucket: str, rate: Rate) -> Count:
        """Count one request if it is allowed."""
        if time.monotonic() < self._retry_at:
            return self._local.take(bucket, rate)
        try:
            allowed, backlog = await self._take(keys=[PREFIX + bucket], args=[rate.interval])
        except Exception as error:  # noqa: BLE001 - no error of Redis may fail a request
            self._retry_at = time.monotonic() + RETRY_SECONDS
            logger.warning(
                "rates are counted by each process", extra={"cause": type(error).__name__}
            )
            return self._local.take(bucket, rate)
        return Count(rate=rate, backlog=float(backlog), allowed=bool(allowed))
