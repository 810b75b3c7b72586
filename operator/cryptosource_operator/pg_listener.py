"""Hearing from Postgres: which source's runs changed, and that somebody asked for one."""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_operator.run_history import TIMEOUTS
from cryptosource_store.engine import session_engine
from cryptosource_store.statements.claim import RUNS_CHANNEL
from cryptosource_store.statements.run_requests import REQUESTS_CHANNEL

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""A thread that does not end by then ends with the process."""
PROBE_SECONDS = 15.0
"""A silent connection is tried that often: a lost one says nothing."""
RETRY_SECONDS = 2.0


class PgListener:
    """A thread with one session that listens; what it hears is called back on the event loop.

    Args:
        url: the database.
        on_runs: called with the uid of a source whose runs or checkpoint changed.
        on_requests: called when a run was asked for.
        on_connected: called when listening began: whatever happened before was missed.
        on_lost: called when the database cannot be heard any more.
    """

    def __init__(
        self,
        url: URL,
        *,
        on_runs: Callable[[str], None],
        on_requests: Callable[[], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._engine = session_engine(
            url, application="cryptosource-operator-listen", timeouts=TIMEOUTS
        )
        self._on_runs, self._on_requests = on_runs, on_requests
        self._on_connected, self._on_lost = on_connected, on_lost
        self._stop = threading.Event()
        self._wake_sender, self._wake_receiver = socket.socketpair()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    async def close(self) -> None:
        """Stop, at once unless Postgres is being connected to."""
        self._stop.set()
        self._wake_sender.send(b"x")
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def _run(self) -> None:
        connected = True
        while not self._stop.is_set():
            try:
                with self._engine.connect() as connection:
                    self._listen(connection)
            except (SQLAlchemyError, OSError) as error:
                if connected:
                    log.warning("Postgres cannot be heard", extra={"error": type(error).__name__})
                connected = False
                self._call_on_loop(self._on_lost)
                self._stop.wait(RETRY_SECONDS)
            else:
                connected = True

    def _listen(self, connection: Any) -> None:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        for channel in (RUNS_CHANNEL, REQUESTS_CHANNEL):
            connection.execute(text(f'LISTEN "{channel}"'))
        log.info("listening to Postgres")
        self._call_on_loop(self._on_connected)
        driver = connection.connection.dbapi_connection
        while not self._stop.is_set():
            ready = select.select([driver, self._wake_receiver], [], [], PROBE_SECONDS)[0]
            if not ready:
                connection.execute(text("SELECT 1"))
            self._deliver_notices(driver)

    def _deliver_notices(self, driver: Any) -> None:
        try:
            driver.poll()
        except Exception as error:  # the driver's own tree; SQLAlchemy does not wrap it here
            raise OSError(type(error).__name__) from error
        # One call per source, however often it was named.
        notices = {(notice.channel, notice.payload) for notice in driver.notifies}
        driver.notifies.clear()
        for channel, payload in notices:
            if channel == RUNS_CHANNEL:
                self._call_on_loop(self._on_runs, payload)
            else:
                self._call_on_loop(self._on_requests)

    def _call_on_loop(self, callback: Callable[..., None], *arguments: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)
