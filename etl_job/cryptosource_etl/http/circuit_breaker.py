"""A circuit breaker per host: calls to a failing upstream are refused, then one probe is let through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Retryable, RunError
from cryptosource_store.reasons import Reason

_FAILURE_REASONS = frozenset(
    {
        Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_ERROR,
        Reason.DEADLINE_EXCEEDED,
        Reason.MALFORMED_RESPONSE,
    }
)
"""Reasons that count as a failed call. A refusal or a 429 does not: the upstream is up."""

_NEUTRAL_REASONS = frozenset({Reason.EGRESS_DENIED, Reason.INVALID_SPEC})
"""Reasons that say nothing about the upstream, because no request was sent."""


@dataclass
class _Circuit:
    failures: int = 0
    opened_at: float | None = None
    probing: bool = False


class CircuitBreaker:
    """The circuits of all hosts that one process calls. Thread-safe.

    Args:
        clock: measures the cool-down.
        failure_threshold: number of failed calls in a row that opens a circuit; a call with all its
            retries counts once.
        cool_down_seconds: time for which an open circuit refuses calls before it lets a probe
            through.
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
        """Guard one call and record its result. Yields whether the call is the probe.

        Raises:
            Retryable: the circuit is open; `retry_after` is the rest of the cool-down.
        """
        probing = self._enter(host)
        # Stays None for anything but a RunError (a stop, a bug): that says nothing about the host.
        alive: bool | None = None
        try:
            yield probing
            alive = True
        except RunError as error:
            alive = (
                None if error.reason in _NEUTRAL_REASONS else error.reason not in _FAILURE_REASONS
            )
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
        # While a probe is under way nothing is left of the cool-down: ask for a second at least.
        wait = timedelta(seconds=max(left, 1.0))
        raise Retryable(
            Reason.UPSTREAM_UNREACHABLE,
            f"{host} failed {failures} times in a row and is left alone for "
            f"{wait.total_seconds():.0f} s; nothing was sent. It is tried again by itself.",
            retry_after=wait,
        )

    def _leave(self, host: str, *, probing: bool, alive: bool | None) -> None:
        """Record a call's result; `alive` is None when it says nothing about the upstream."""
        with self._lock:
            circuit = self._circuits[host]
            if probing:
                circuit.probing = False
            if alive:
                circuit.failures, circuit.opened_at = 0, None
            elif alive is False:
                circuit.failures += 1
                # Calls that began before the circuit opened do not extend the cool-down.
                if probing or (
                    circuit.opened_at is None and circuit.failures >= self._failure_threshold
                ):
                    circuit.opened_at = self._clock.monotonic()
