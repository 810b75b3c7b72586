"""Maintenance of the database while `up` runs, as a CronJob does it in a cluster."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock, Stopped
from cryptosource_store.maintenance import Retention, maintain

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 6 * 3600.0


class MaintenanceThread:
    """A thread that maintains the database now and every six hours.

    Args:
        url: the database.
        clock: waits; its `sleep` ends when the process is asked to stop.
    """

    def __init__(self, url: URL, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._thread = threading.Thread(target=self._work, name="housekeeping", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the current step for some seconds; a step that is cut off is rolled back."""
        self._thread.join(timeout=5.0)

    def _work(self) -> None:
        try:
            while True:
                self._maintain()
                self._clock.sleep(INTERVAL_SECONDS)
        except Stopped:
            return

    def _maintain(self) -> None:
        try:
            report = maintain(self._url, Retention(), now=self._clock.now())
            log.info("maintained", extra={"report": str(report)})
        except DBAPIError as error:
            log.warning("maintenance gave up and is tried again later: %s", error.orig)
