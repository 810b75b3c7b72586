"""A circuit breaker per host: an upstream that is down is left alone, then asked once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Retryable, RunError
from cryptosource_store.reasons import Reason

_DOWN = frozenset(
    {
        Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_ERROR,
        Reason.DEADLINE_EXCEEDED,
        Reason.MALFORMED_RESPONSE,
    }
)
"""What counts as a failed call. A refusal or a 429 is an answer: the upstream is alive."""

_SAYS_NOTHING = frozenset({Reason.EGRESS_DENIED, Reason.INVALID_SPEC})
"""No request left, so nothing was learnt."""


@dataclass
class _Circuit:
    failures: int = 0
    opened_at: float | None = None
    probing: bool = False


class CircuitBreaker:
    """The circuits of all hosts that one process talks to. Thread-safe.

    Args:
        clock: measures the cool-down.
        failure_threshold: failed calls in a row, retries included in each, that open a circuit.
        cool_down_seconds: how long an open circuit refuses before it lets one probe through.
    """

    def __init__(
        self, clock: Clock, *, failure_threshold: int = 3, cool_down_seconds: float = 60.0
    ) -> None:
        self._clock = clock
        self._failure_threshold = failure_threshold
        self._cool_down_seconds = cool_down_seconds
        self._lock = threading.Lock()
        self._circuits: dict[str, _Circuit] = {}

    @contextmanager
    def watch(self, host: str) -> Iterator[bool]:
        """Guard one call and learn from how it ends. Yields whether the call is the probe.

        Raises:
            Retryable: the circuit is open; `retry_after` is what is left of the cool-down.
        """
        probing = self._enter(host)
        alive: bool | None = None
        try:
            yield probing
            alive = True
        except RunError as error:
            alive = None if error.reason in _SAYS_NOTHING else error.reason not in _DOWN
            raise
        finally:
            self._leave(host, probing=probing, alive=alive)

    def _enter(self, host: str) -> bool:
        with self._lock:
            circuit = self._circuits.setdefault(host, _Circuit())
            if circuit.opened_at is None:
                return False
            left = circuit.opened_at + self._cool_down_seconds - self._clock.monotonic()
            if left <= 0 and not circuit.probing:
                circuit.probing = True
                return True
            failures = circuit.failures
        wait = timedelta(seconds=max(left, 1.0))
        raise Retryable(
            Reason.UPSTREAM_UNREACHABLE,
            f"{host} failed {failures} times in a row and is left alone for "
            f"{wait.total_seconds():.0f} s; nothing was sent. It is tried again by itself.",
            retry_after=wait,
        )

    def _leave(self, host: str, *, probing: bool, alive: bool | None) -> None:
        """Learn from a call; `alive` is None when it says nothing about the upstream."""
        with self._lock:
            circuit = self._circuits[host]
            if probing:
                circuit.probing = False
            if alive:
                circuit.failures, circuit.opened_at = 0, None
            elif alive is False:
                circuit.failures += 1
                if probing or (
                    circuit.opened_at is None and circuit.failures >= self._failure_threshold
                ):
                    circuit.opened_at = self._clock.monotonic()
