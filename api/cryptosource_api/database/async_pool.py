"""Database sessions with which the event loop runs single prepared statements without threads.

A thread costs more than such a statement: two switches, and the interpreter's lock, for which thread
and loop compete. The pool is an optimisation: if it has no session, or one fails, the statement is
run on a thread, and a failure of the database is reported from there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg2
from psycopg2 import extensions

from cryptosource_api.database.async_session import AsyncSession, Row, SessionLost, wait_connected
from cryptosource_store.engine import RECYCLE_SECONDS
from cryptosource_store.prepared_statements import Prepared

logger = logging.getLogger("cryptosource.api")

RETRY_SECONDS = 1.0
"""After a failure to open a session, no other is opened for that long."""

Connect = Callable[[], extensions.connection]

_NO_SPAN: AbstractContextManager[None] = nullcontext()


class AsyncPool:
    """A bounded number of sessions of one event loop, opened as they are needed.

    Args:
        connect: begins to open an asynchronous connection; it may block, and is called on a thread.
        size: sessions at most.
        open_seconds: how long opening one may take.
        wait_seconds: how long to wait for one when all are at work.
    """

    def __init__(
        self, connect: Connect, *, size: int, open_seconds: float, wait_seconds: float
    ) -> None:
        self.size = size
        self._connect = connect
        self._open_seconds = open_seconds
        self._wait_seconds = wait_seconds
        self._sessions: set[AsyncSession] = set()
        self._idle: list[AsyncSession] = []
        self._waiting: deque[asyncio.Future[AsyncSession]] = deque()
        self._opening: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        # Sessions register their sockets with one loop; an application may be served by another
        # one later, as one that a test starts twice.
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def at_work(self) -> int:
        """Sessions that are running a statement."""
        return len(self._sessions) - len(self._idle)

    @property
    def waiting(self) -> int:
        """Readers that wait for a session."""
        return len(self._waiting)

    async def row(
        self,
        statement: Prepared,
        values: tuple[Any, ...],
        span: AbstractContextManager[None] = _NO_SPAN,
    ) -> Row:
        """Return the first row of a statement's result, by column; None if it has none.

        Args:
            statement: prepared once in each session.
            values: of its parameters.
            span: entered while a session runs the statement.

        Raises:
            SessionLost: there is no session, or it failed: run the statement on a thread.
            StatementCanceled: the statement took too long.
            TimeoutError: no session became free in time.
        """
        session = (
            self._idle.pop()
            if self._idle and self._owns_sessions()
            else await self._wait_for_session()
        )
        try:
            with span:
                return await session.row(statement, values)
        except BaseException:
            # Also when the reader was cancelled: its answer may still arrive, and would be taken
            # for the answer to the session's next statement.
            session.close()
            raise
        finally:
            self._give_back(session)

    def close(self) -> None:
        """End all sessions. Call it from the loop, or when the loop has ended."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        for session in list(self._sessions):
            session.close()
        self._sessions.clear()
        self._idle.clear()
        self._refuse_waiting()

    def _owns_sessions(self) -> bool:
        """Return whether the sessions belong to the running loop; if not, drop them."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return True
        self._opening = None  # a task of the earlier loop, which ended with it
        self.close()
        self._loop = loop
        return False

    async def _wait_for_session(self) -> AsyncSession:
        """Return a session as soon as one is free."""
        ours = self._owns_sessions()
        self._start_opening()
        if not ours or not self._sessions:
            # Opening takes longer than reading on a thread does.
            raise SessionLost("no session is open yet")
        mine: asyncio.Future[AsyncSession] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await mine
        except BaseException:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                # A session was handed over in the same turn of the loop in which the wait ended.
                self._give_back(mine.result())
            raise
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)

    def _give_back(self, session: AsyncSession) -> None:
        if session.closed or time.monotonic() - session.opened_at > RECYCLE_SECONDS:
            session.close()
            self._sessions.discard(session)
            if self._waiting:
                self._start_opening()
            if not self._sessions:
                self._refuse_waiting()
            return
        while self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.done():
                next_one.set_result(session)
                return
        self._idle.append(session)

    def _forget(self, session: AsyncSession) -> None:
        """Remove a session that was closed while it was idle."""
        if session in self._idle:
            self._idle.remove(session)
            self._sessions.discard(session)

    def _refuse_waiting(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(SessionLost("the sessions were lost"))

    def _start_opening(self) -> None:
        # One at a time: sessions are opened as load needs them, not all at once after an outage.
        must_wait = time.monotonic() < self._retry_at
        if self._opening is None and len(self._sessions) < self.size and not must_wait:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(None, self._connect)
            try:
                async with asyncio.timeout(self._open_seconds):
                    await wait_connected(connection, loop)
            except BaseException:
                connection.close()
                raise
        except (psycopg2.Error, OSError) as error:  # TimeoutError is an OSError
            # Not a warning: a read on a thread meets the same failure, and reports it.
            logger.debug("no session for the event loop", extra={"cause": str(error)})
            self._retry_at = time.monotonic() + RETRY_SECONDS
        else:
            session = AsyncSession(connection, loop, ended=self._forget)
            self._sessions.add(session)
            self._give_back(session)
        finally:
            self._opening = None
