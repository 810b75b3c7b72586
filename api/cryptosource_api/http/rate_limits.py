"""Rates, and what becomes of a request that is counted."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptosource_api.http.problems import URN, ApiProblem

WINDOW_SECONDS = 60
MAX_BUCKETS = 50_000
"""Counted at a time in a process, some 10 MB; the least recently seen is forgotten first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """So many requests a minute, all of them at once if one likes."""

    name: str
    """Whom it is counted for; shown in the headers."""
    per_minute: int
    interval: float = field(init=False)
    """Seconds after which one more is allowed; of a rate that is none, 0."""
    policy: tuple[bytes, bytes] = field(init=False)
    """The header that tells it."""

    def __post_init__(self) -> None:
        """Compute once what every request needs."""
        interval = WINDOW_SECONDS / self.per_minute if self.per_minute else 0.0
        object.__setattr__(self, "interval", interval)
        policy = f'"{self.name}";q={self.per_minute};w={WINDOW_SECONDS}'
        object.__setattr__(self, "policy", (b"ratelimit-policy", policy.encode()))


class Count(NamedTuple):
    """How a bucket stands after a request."""

    rate: Rate
    backlog: float
    """Seconds until it is empty; a request is refused when it would be above the window."""
    allowed: bool

    @property
    def remaining(self) -> int:
        """Requests that would be allowed at once now."""
        return max(0, int((WINDOW_SECONDS - self.backlog) / self.rate.interval + 1e-6))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the RateLimit headers, as draft-ietf-httpapi-ratelimit-headers-10 has them."""
        now = f'"{self.rate.name}";r={self.remaining};t={math.ceil(self.backlog)}'
        return [self.rate.policy, (b"ratelimit", now.encode())]

    def refusal(self) -> ApiProblem:
        """Return the 429."""
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
    """Counts in this process. Only the event loop's thread may use it."""

    def __init__(self) -> None:
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty_at)

    def take(self, bucket: str, rate: Rate) -> Count:
        """Count one request if it is allowed."""
        now = time.monotonic()
        empty_at = self._empty_at.get(bucket, now)
        empty_at = max(empty_at, now)
        filled = empty_at + rate.interval
        allowed = filled - now <= WINDOW_SECONDS + 1e-9
        if allowed:
            self._empty_at[bucket] = empty_at = filled
            self._empty_at.move_to_end(bucket)
            if len(self._empty_at) > MAX_BUCKETS:
                self._empty_at.popitem(last=False)
        return Count(rate, empty_at - now, allowed)
