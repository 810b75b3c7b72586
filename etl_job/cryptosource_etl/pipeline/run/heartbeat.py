"""A run's signs of life, and the reasons it must not go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from cryptosource_etl.clock import Clock, Stopped
from cryptosource_etl.errors import Retryable
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import claim as claim_statements


class Heartbeat:
    """Asked between pages and, again and again, while a run waits for its upstream.

    Args:
        stop: set when the process is to end.
        clock: measures.
        deadline_seconds: how long the run may take; None leaves it to the Job.
    """

    def __init__(
        self, stop: threading.Event, clock: Clock, *, deadline_seconds: float | None
    ) -> None:
        self._stop = stop
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._started = clock.monotonic()

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return self._clock.monotonic() - self._started

    def check(self) -> None:
        """Raise when the run must not go on.

        Raises:
            Stopped: the process is to end.
            Retryable: DeadlineExceeded.
        """
        if self._stop.is_set():
            raise Stopped
        if self._deadline_seconds is not None and self.seconds > self._deadline_seconds:
            raise Retryable(
                Reason.DEADLINE_EXCEEDED,
                f"The run took longer than activeDeadlineSeconds={self._deadline_seconds:g}; the "
                "next one goes on from the checkpoint",
            )

    def pulse(
        self,
        connection: Connection,
        claim: Claim,
        usage: Callable[[], Usage],
        *,
        every_seconds: float,
    ) -> Callable[[], None]:
        """Return what to call while waiting: it checks, and writes a heartbeat when one is due."""
        last = self._clock.monotonic()

        def call() -> None:
            nonlocal last
            self.check()
            now = self._clock.monotonic()
            if now - last >= every_seconds:
                last = now
                _beat(connection, claim, usage())

        return call


def _beat(connection: Connection, claim: Claim, usage: Usage) -> None:
    row = {"run_id": claim.run_id, "requests": usage.requests, "retries": usage.retries}
    with connection.begin():
        alive = connection.execute(claim_statements.HEARTBEAT, row).rowcount
    if not alive:
        raise Retryable(Reason.FENCED, "Another run has taken this source over")
