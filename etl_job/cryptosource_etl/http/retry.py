"""The retry loop of one call: number of attempts, delays between them, and when to give up."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Retryable
from cryptosource_etl.http.request_limits import RetryPolicy
from cryptosource_store.reasons import Reason

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

# A Retry-After of more than a year counts as a year: `timedelta` overflows on absurd values.
_MAX_SECONDS = 366 * 86_400.0

_HINTS = {
    Reason.UPSTREAM_UNREACHABLE: "Check this machine's network and DNS, and the source's URL.",
    Reason.RATE_LIMITED: "Lower rateLimit.requestsPerMinute or run less often.",
}


class AttemptFailed(Exception):
    """One attempt failed, and another may succeed.

    Args:
        reason: the reason of the call's error if no attempt is left.
        detail: what happened, for a person; no query, no secret.
        status: the HTTP status, if there was a response.
        retry_after_seconds: the delay that the upstream asked for.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.status = status
        self.retry_after_seconds = retry_after_seconds


def parse_retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return the seconds that a response asks to wait; None without a valid value.

    Args:
        headers: by lower-case name. `retry-after-ms` is CoinGecko's and takes precedence.
        now: the time that an HTTP date is compared with.
    """
    milliseconds = _parse_positive(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, _MAX_SECONDS)
    text = headers.get("retry-after", "").strip()
    seconds = _parse_positive(text)
    if seconds is None:
        seconds = _seconds_until(text, now)
    return None if seconds is None else min(seconds, _MAX_SECONDS)


def _parse_positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number > 0 and not math.isnan(number) else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000" (RFC 5322): UTC from an unknown local zone
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return seconds if seconds > 0 else None


class Attempts:
    """The retry loop of one call.

    Args:
        policy: how often and how long.
        clock: waits.
        random: returns a number in [0, 1), for the jitter.
        host: named in messages.
        single: make one attempt only, because it is a circuit breaker's probe.
        on_wait: called with the seconds of every wait between attempts.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Clock,
        random: Callable[[], float],
        host: str,
        single: bool = False,
        on_wait: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._random = random
        self._host = host
        self._allowed = 1 if single else policy.max_attempts
        self._on_wait = on_wait
        self.number = 0
        """Number of the current attempt, from 1."""

    def run(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, trying again after an `AttemptFailed`.

        Raises:
            Retryable: attempts ran out, or the upstream asks for a longer delay than the policy
                allows.
            Stopped: the process is asked to stop.
        """
        while True:
            self.number += 1
            try:
                return attempt()
            except AttemptFailed as failure:
                if self.number >= self._allowed or self._exceeds_max_delay(failure):
                    raise self.give_up(failure) from failure
                wait = self._choose_wait(failure)
            self._clock.sleep(wait)

    def give_up(self, failure: AttemptFailed) -> Retryable:
        """Return the error that ends the call after this failure."""
        seconds = failure.retry_after_seconds
        attempts = "1 attempt" if self.number == 1 else f"{self.number} attempts"
        wait = "" if seconds is None else f"; it asks to wait {seconds:.0f} s"
        hint = _HINTS.get(failure.reason, "")
        return Retryable(
            failure.reason,
            f"{self._host}: {failure.detail[:120]} ({attempts}{wait}). {hint}".strip(),
            retry_after=None if seconds is None else timedelta(seconds=seconds),
        )

    def _exceeds_max_delay(self, failure: AttemptFailed) -> bool:
        return (failure.retry_after_seconds or 0) > self._policy.max_delay_seconds

    def _choose_wait(self, failure: AttemptFailed) -> float:
        wait = failure.retry_after_seconds
        if wait is None:
            # Full jitter: runs that failed together must not come back together.
            bound = self._policy.first_delay_seconds * 2.0 ** (self.number - 1)
            wait = self._random() * min(bound, self._policy.max_delay_seconds)
        self._on_wait(wait)
        _LOG.warning(
            "attempt failed, trying again",
            extra={
                "reason": str(failure.reason),
                "host": self._host,
                "attempt": self.number,
                "status": failure.status,
                "wait_seconds": wait,
                "detail": failure.detail[:120],
            },
        )
        return wait
