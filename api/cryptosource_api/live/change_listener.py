"""The thread that listens to Postgres for changes of the data and of runs, one for each process.

A notification only wakes the thread; what changed is read from the database: data by version, runs
by the transaction that wrote them last. So no change is missed when notifications are, behind a
pooler that drops them or while the connection was lost; polling finds it then.
"""

from __future__ import annotations

import contextlib
import logging
import random
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_api.live.change_queries import (
    ChangesUnknown,
    StreamPosition,
    read_change,
    read_changes,
    read_head,
)
from cryptosource_api.live.events import Change, StreamItem
from cryptosource_api.live.run_changes import RunTracker, TooManyRuns
from cryptosource_store.engine import session_engine
from cryptosource_store.settings import SessionTimeouts
from cryptosource_store.statements.claim import DATA_CHANNEL, RUNS_CHANNEL

logger = logging.getLogger("cryptosource.api")

POLL_SECONDS = 2.0
"""Interval of polling, for changes whose notification was missed; it costs one look-up by primary key
and one of the running runs."""
RUNS_REST_SECONDS = 0.5
"""Least time between two reads of runs; pages that are committed within it are reported together."""
RETRY_SECONDS = (0.2, 5.0)
"""First and longest wait for a database that is away."""
VERSIONS_AT_ONCE = 5
"""Most versions whose changes are read together."""
TIMEOUTS = SessionTimeouts(statement_seconds=10, connect_seconds=3)


@dataclass(frozen=True, kw_only=True)
class Interest:
    """The kinds of changes that have clients."""

    data: bool
    own: bool
    """The sources' own records."""
    runs: bool


class ChangeHandler(Protocol):
    """Receives changes, on the listener's thread."""

    def interest(self) -> Interest:
        """Return the kinds of changes that have clients."""

    def connected(self, head: StreamPosition) -> None:
        """Handle a new connection to the database, whose data is at this version."""

    def changed(self, change: Change) -> None:
        """Handle a change of the data."""

    def broke(self, head: StreamPosition, reason: str) -> None:
        """Handle a gap: it is unknown what changed up to this version."""

    def runs_changed(self, runs: Sequence[StreamItem]) -> None:
        """Handle runs that began, progressed or ended."""

    def runs_broke(self, reason: str) -> None:
        """Handle a gap: it is unknown which runs changed."""

    def lost(self) -> None:
        """Handle the loss of the connection."""


class ChangeListener:
    """Reports changes to a handler until it is stopped.

    Args:
        url: the database.
        handler: receives the changes.
    """

    def __init__(self, url: URL, handler: ChangeHandler) -> None:
        engine = session_engine(url, application="cryptosource-live", timeouts=TIMEOUTS)
        # Postgres delivers notifications between transactions, so the session is never in one.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._handler = handler
        self._stopping = threading.Event()
        # `stop` has to end a wait on the database's socket: the thread polls this pair with it.
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._at: StreamPosition | None = None
        self._runs = RunTracker()
        self._runs_read_at = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Make the thread end; returns at once."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def _run(self) -> None:
        wait, longest = RETRY_SECONDS
        connected_before = True
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    self._begin(connection)
                    wait, connected_before = RETRY_SECONDS[0], True
                    self._follow(connection)
            except (SQLAlchemyError, OSError) as error:
                if connected_before:
                    logger.warning(
                        "the database is not heard",
                        extra={"error": type(error).__name__},
                    )
                connected_before = False
            except Exception:
                # Any other error too: a dead thread would leave streams open that report nothing.
                logger.exception("following the data failed")
            else:
                continue
            self._handler.lost()
            self._stopping.wait(wait * random.uniform(0.5, 1))  # noqa: S311 - spreads replicas
            wait = min(2 * wait, longest)
        self._wake.close()
        self._woken.close()

    def _begin(self, connection: Connection) -> None:
        # LISTEN before the first read: what is committed between the two is notified.
        for channel in (DATA_CHANNEL, RUNS_CHANNEL):
            connection.execute(text(f"LISTEN {channel}"))
        head = read_head(connection)
        self._runs.begin(connection)
        # After a reconnect the earlier position stays: what was committed meanwhile is reported.
        self._at = self._at or head
        self._handler.connected(self._at)
        self._advance(connection)
        self._advance_runs(connection)

    def _follow(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        poll = select.poll()
        poll.register(driver.fileno(), select.POLLIN)
        poll.register(self._woken.fileno(), select.POLLIN)
        rest = POLL_SECONDS
        while not self._stopping.is_set():
            wait = min(POLL_SECONDS, max(0.0, self._runs_read_at + rest - time.monotonic()))
            # A notification that arrived with a statement's result has left the socket already.
            poll.poll(0 if driver.notifies else wait * 1000)
            try:
                driver.poll()
            except Exception as error:  # psycopg2's errors, which SQLAlchemy does not wrap here
                raise OSError(type(error).__name__) from error
            # Without clients for runs the poll is enough: the tracker stays current for the next
            # one.
            if driver.notifies and self._handler.interest().runs:
                rest = RUNS_REST_SECONDS
            # Their payloads do not matter.
            driver.notifies.clear()
            self._advance(connection)
            if time.monotonic() >= self._runs_read_at + rest:
                self._advance_runs(connection)
                rest = POLL_SECONDS

    def _advance(self, connection: Connection) -> None:
        """Report the data that changed since the last time."""
        assert self._at is not None  # noqa: S101 - _begin has set it
        head = read_head(connection)
        if head == self._at:
            return
        interest = self._handler.interest()
        try:
            changes = read_changes(connection, self._at, head)
        except ChangesUnknown as gap:
            self._handler.broke(head, str(gap))
            self._at = head
            return
        for at in range(0, len(changes), VERSIONS_AT_ONCE):
            together = changes[at : at + VERSIONS_AT_ONCE]
            place = together[-1][0]
            coins = sorted({asset for _, changed in together for asset in changed})
            if interest.data:
                change = read_change(
                    connection, coins, since=self._at, until=place, own=interest.own
                )
            else:
                change = Change(id=str(place), since=str(self._at), records=None, own=None)
            self._handler.changed(change)
            self._at = place

    def _advance_runs(self, connection: Connection) -> None:
        """Report the runs that changed since the last time."""
        try:
            runs = self._runs.changed(connection)
        except TooManyRuns:
            self._handler.runs_broke("too-much-changed")
        else:
            if runs:
                self._handler.runs_changed(runs)
        self._runs_read_at = time.monotonic()
