"""Rate limits, counted in this process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptosource_api.http.problems import URN, ApiProblem

WINDOW_SECONDS = 60
MAX_BUCKETS = 50_000
"""Buckets of a process, some 10 MB; the least recently used is dropped first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """A number of requests a minute, which may come all at once."""

    name: str
    """The kind of client it is counted for; shown in the headers."""
    per_minute: int
    """0 for no limit."""
    interval: float = field(init=False)
    """Seconds after which one more request is allowed; 0 without a limit."""
    policy: tuple[bytes, bytes] = field(init=False)
    """The RateLimit-Policy header."""

    def __post_init__(self) -> None:
        """Compute the values that every request needs."""
        interval = WINDOW_SECONDS / self.per_minute if self.per_minute else 0.0
        object.__setattr__(self, "interval", interval)
        policy = f'"{self.name}";q={self.per_minute};w={WINDOW_SECONDS}'
        object.__setattr__(self, "policy", (b"ratelimit-policy", policy.encode()))


class Count(NamedTuple):
    """The state of a bucket after a request."""

    rate: Rate
    backlog: float
    """Seconds until the bucket is empty; a request is refused if it would exceed the window."""
    allowed: bool

    @property
    def remaining(self) -> int:
        """Requests that would be allowed now."""
        # The small addend: a whole number of intervals must not be rounded down to one less.
        return max(0, int((WINDOW_SECONDS - self.backlog) / self.rate.interval + 1e-6))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        now = f'"{self.rate.name}";r={self.remaining};t={math.ceil(self.backlog)}'
        return [self.rate.policy, (b"ratelimit", now.encode())]

    def refusal(self) -> ApiProblem:
        """Return the problem of a refused request, 429."""
        wait = max(1, math.ceil(self.backlog + self.rate.interval - WINDOW_SECONDS))
        return ApiProblem(
            status=429,
            detail=f"{self.rate.per_minute} requests a minute are allowed for each "
            f"{self.rate.name}; ask again in {wait} s",
            kind=f"{URN}rate-limited",
            title="Too many requests",
            headers={
                "Retry-After": str(wait),
                **{name.decode(): value.decode() for name, value in self.headers()},
            },
        )


class LocalBuckets:
    """The buckets of this process. Only the event loop's thread may use them."""

    def __init__(self) -> None:
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty_at)

    def take(self, bucket: str, rate: Rate) -> Count:
        """Count one request if it is allowed."""
        # A leaky bucket kept as the one time at which it will be empty (GCRA).
        now = time.monotonic()
        empty_at = self._empty_at.get(bucket, now)
        empty_at = max(empty_at, now)
        filled = empty_at + rate.interval
        # The small addend: sums of intervals that fill the window exactly must be allowed.
        allowed = filled - now <= WINDOW_SECONDS + 1e-9
        # A refused request is not counted: a client that keeps asking is not locked out by that.
        if allowed:
            self._empty_at[bucket] = empty_at = filled
            self._empty_at.move_to_end(bucket)
            if len(self._empty_at) > MAX_BUCKETS:
                self._empty_at.popitem(last=False)
        return Count(rate, empty_at - now, allowed)
