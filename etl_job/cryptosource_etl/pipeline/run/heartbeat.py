"""A run's heartbeat, and the checks that end it: shutdown, deadline, takeover."""

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
    """Checks whether a run may go on: between pages, and repeatedly while it waits for one.

    Args:
        stop: set when the process is to end.
        clock: measures the run's duration and the interval of heartbeats.
        deadline_seconds: how long the run may take; None leaves the limit to the Job.
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
        """Seconds since the run started."""
        return self._clock.monotonic() - self._started

    def check(self) -> None:
        """Raise when the run must not go on.

        Raises:
            Stopped: the process is to end.
            Retryable: DeadlineExceeded.
        """
        # Stop first: what a signal ended is interrupted, even if its deadline has passed meanwhile.
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
        """Return a function to call while waiting: it checks, and writes a heartbeat when due."""
        last = self._clock.monotonic()

        def check_and_beat() -> None:
            nonlocal last
            self.check()
            now = self._clock.monotonic()
            if now - last >= every_seconds:
                last = now
                _write_heartbeat(connection, claim, usage())

        return check_and_beat


def _write_heartbeat(connection: Connection, claim: Claim, usage: Usage) -> None:
    row = {"run_id": claim.run_id, "requests": usage.requests, "retries": usage.retries}
    with connection.begin():
        updated = connection.execute(claim_statements.HEARTBEAT, row).rowcount
    # The row is not `running` any more: the run that took the source over marked it as interrupted.
    # Found here, a slow download ends now and not at its first page.
    if not updated:
        raise Retryable(Reason.FENCED, "Another run has taken this source over")
