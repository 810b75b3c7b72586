"""LISTEN on Postgres: changes of runs, and requests for runs."""

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

from cryptosource_operator.store_client import TIMEOUTS
from cryptosource_store.engine import session_engine
from cryptosource_store.statements.claim import RUNS_CHANNEL
from cryptosource_store.statements.run_requests import REQUESTS_CHANNEL

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""How long `close` waits for the thread; it is a daemon and ends with the process."""
# A connection that was lost without a FIN or RST looks like one without notifications.
PROBE_SECONDS = 15.0
"""A connection without notifications is tested with a statement that often."""
RETRY_SECONDS = 2.0
"""Pause between attempts to connect."""


class PgListener:
    """A thread with a session that listens; callbacks run on the event loop.

    Args:
        url: the database.
        on_runs: called with the uid of a source whose runs or checkpoint changed.
        on_requests: called when a run was requested.
        on_connected: called when listening began: earlier notifications were missed.
        on_lost: called after each failed or lost connection.
    """

    # A thread, because psycopg2 has no asyncio support: it waits in `select` on its socket.

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
        # Makes `select` return when the listener is to stop.
        self._wake_sender, self._wake_receiver = socket.socketpair()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def close(self) -> None:
        """Stop; a connection attempt under way is waited for up to `CLOSE_SECONDS`."""
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
        # The driver's own exceptions: SQLAlchemy wraps them only for statements.
        except Exception as error:
            raise OSError(type(error).__name__) from error
        # A set: a source that was notified several times is called back once.
        notices = {(notice.channel, notice.payload) for notice in driver.notifies}
        driver.notifies.clear()
        for channel, payload in notices:
            if channel == RUNS_CHANNEL:
                self._call_on_loop(self._on_runs, payload)
            else:
                self._call_on_loop(self._on_requests)

    def _call_on_loop(self, callback: Callable[..., None], *arguments: str) -> None:
        # The thread may outlive the loop, see `CLOSE_SECONDS`.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)
