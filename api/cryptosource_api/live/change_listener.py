"""The one session of a process that listens to Postgres, on a thread of its own.

A notification only wakes: what changed is read from the database, the data by version, runs by who
wrote them last. So nothing is missed when notifications were, behind a pooler that swallows them or
while the connection was lost; then both are polled.
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

from cryptosource_api.live.change_queries import Broken, Place, read_change, read_changes, read_head
from cryptosource_api.live.events import Change, OfSource
from cryptosource_api.live.run_changes import RunsSeen, TooManyRuns
from cryptosource_store.engine import session_engine
from cryptosource_store.settings import SessionTimeouts
from cryptosource_store.statements.claim import DATA_CHANNEL, RUNS_CHANNEL

logger = logging.getLogger("cryptosource.api")

POLL_SECONDS = 2.0
"""How soon a change is seen that no notification told of; one look-up by primary key, and one of the
runs that are under way."""
RUNS_REST_SECONDS = 0.5
"""Pages that are committed within that time are told together."""
RETRY_SECONDS = (0.2, 5.0)
"""First and longest wait for a database that is away."""
VERSIONS_AT_ONCE = 5
"""Changes that came together are read together, up to so many."""
TIMEOUTS = SessionTimeouts(statement_seconds=10, connect_seconds=3)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody listens to."""

    data: bool
    own: bool
    """The sources' own records."""
    runs: bool


class Listener(Protocol):
    """Who is told, on the follower's thread."""

    def wants(self) -> Wanted:
        """Return what anybody listens to."""

    def connected(self, head: Place) -> None:
        """The database is heard, and stands at a version."""

    def changed(self, change: Change) -> None:
        """Something changed."""

    def broke(self, head: Place, reason: str) -> None:
        """What changed until this version cannot be told."""

    def runs_changed(self, runs: Sequence[OfSource]) -> None:
        """Runs began, got on or ended."""

    def runs_broke(self, reason: str) -> None:
        """Which runs changed cannot be told."""

    def lost(self) -> None:
        """The database is not heard any more."""


class Follower:
    """Follows the data until it is stopped.

    Args:
        url: the database.
        listener: who is told.
    """

    def __init__(self, url: URL, listener: Listener) -> None:
        engine = session_engine(url, application="cryptosource-live", timeouts=TIMEOUTS)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._listener = listener
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._at: Place | None = None
        self._runs = RunsSeen()
        self._runs_read_at = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end; returns at once."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def _run(self) -> None:
        wait, longest = RETRY_SECONDS
        heard = True
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    self._begin(connection)
                    wait, heard = RETRY_SECONDS[0], True
                    self._follow(connection)
            except (SQLAlchemyError, OSError) as error:
                if heard:
                    logger.warning(
                        "the database is not heard", extra={"error": type(error).__name__}
                    )
                heard = False
            except Exception:
                logger.exception("following the data failed")  # streams must not end silently
            else:
                continue
            self._listener.lost()
            self._stopping.wait(wait * random.uniform(0.5, 1))  # noqa: S311 - spreads replicas
            wait = min(2 * wait, longest)
        self._wake.close()
        self._woken.close()

    def _begin(self, connection: Connection) -> None:
        for channel in (DATA_CHANNEL, RUNS_CHANNEL):
            connection.execute(text(f"LISTEN {channel}"))
        head = read_head(connection)
        self._runs.begin(connection)
        self._at = self._at or head
        self._listener.connected(self._at)
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
            # What came with the answer to a statement has left the socket already.
            poll.poll(0 if driver.notifies else wait * 1000)
            try:
                driver.poll()
            except Exception as error:  # the driver's own tree; SQLAlchemy does not wrap it here
                raise OSError(type(error).__name__) from error
            if driver.notifies and self._listener.wants().runs:
                rest = RUNS_REST_SECONDS
            driver.notifies.clear()
            self._advance(connection)
            if time.monotonic() >= self._runs_read_at + rest:
                self._advance_runs(connection)
                rest = POLL_SECONDS

    def _advance(self, connection: Connection) -> None:
        """Tell what changed since the last time."""
        assert self._at is not None  # noqa: S101 - _begin has set it
        head = read_head(connection)
        if head == self._at:
            return
        wanted = self._listener.wants()
        try:
            changes = read_changes(connection, self._at, head)
        except Broken as broken:
            self._listener.broke(head, str(broken))
            self._at = head
            return
        for at in range(0, len(changes), VERSIONS_AT_ONCE):
            together = changes[at : at + VERSIONS_AT_ONCE]
            place = together[-1][0]
            coins = sorted({asset for _, changed in together for asset in changed})
            if wanted.data:
                change = read_change(connection, coins, since=self._at, until=place, own=wanted.own)
            else:
                change = Change(id=str(place), since=str(self._at), records=None, own=None)
            self._listener.changed(change)
            self._at = place

    def _advance_runs(self, connection: Connection) -> None:
        """Tell which runs changed since the last time."""
        try:
            runs = self._runs.changed(connection)
        except TooManyRuns:
            self._listener.runs_broke("too-much-changed")
        else:
            if runs:
                self._listener.runs_changed(runs)
        self._runs_read_at = time.monotonic()
