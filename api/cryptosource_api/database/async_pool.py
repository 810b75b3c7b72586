"""Sessions that the event loop reads single prepared statements with, without a thread for each.

A thread costs more than such a statement does: two switches, and the interpreter's lock, for which
thread and loop compete. Nothing here is needed for an answer: where no session can be had, or one
fails, the statement is read on a thread, and what went wrong shows there.
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

from cryptosource_api.database.async_session import AsyncSession, Lost, Row, connected
from cryptosource_store.engine import RECYCLE_SECONDS
from cryptosource_store.prepared_statements import Prepared

logger = logging.getLogger("cryptosource.api")

REST_SECONDS = 1.0
"""After a session could not be opened, none is tried for that long."""

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
        self._rests_until = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def at_work(self) -> int:
        """Sessions that wait for an answer."""
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
        """Return the first row that a statement answers with, by column; None when there is none.

        Args:
            statement: planned once a session.
            values: of its binds.
            span: entered while a session works on it.

        Raises:
            Lost: there is no session, or it was lost: read elsewhere.
            Canceled: the statement took too long.
            TimeoutError: no session became free in time.
        """
        session = self._idle.pop() if self._idle and self._is_ours() else await self._another()
        try:
            with span:
                return await session.row(statement, values)
        except BaseException:
            session.close()  # an answer that nobody waits for any more may still come
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

    def _is_ours(self) -> bool:
        """Return whether the running loop is the one that the sessions belong to."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return True
        self._opening = None  # it went with its loop
        self.close()
        self._loop = loop
        return False

    async def _another(self) -> AsyncSession:
        """Return a session when none is idle."""
        ours = self._is_ours()
        self._begin_to_open()
        if not ours or not self._sessions:
            raise Lost("no session is open yet")
        mine: asyncio.Future[AsyncSession] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await mine
        except BaseException:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self._give_back(mine.result())  # it came at the moment when the wait ended
            raise
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)

    def _give_back(self, session: AsyncSession) -> None:
        if session.closed or time.monotonic() - session.opened_at > RECYCLE_SECONDS:
            session.close()
            self._sessions.discard(session)
            if self._waiting:
                self._begin_to_open()
            if not self._sessions:
                self._refuse_waiting()
            return
        while self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.done():
                next_one.set_result(session)
                return
        self._idle.append(session)

    def _ended(self, session: AsyncSession) -> None:
        """Forget a session that ended while it was idle."""
        if session in self._idle:
            self._idle.remove(session)
            self._sessions.discard(session)

    def _refuse_waiting(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(Lost("the sessions were lost"))

    def _begin_to_open(self) -> None:
        rests = time.monotonic() < self._rests_until
        if self._opening is None and len(self._sessions) < self.size and not rests:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(None, self._connect)
            try:
                async with asyncio.timeout(self._open_seconds):
                    await connected(connection, loop)
            except BaseException:
                connection.close()
                raise
        except (psycopg2.Error, OSError) as error:  # a timeout is the latter
            # Not a warning: who reads on a thread meanwhile learns the same, and tells.
            logger.debug("no session for the event loop", extra={"cause": str(error)})
            self._rests_until = time.monotonic() + REST_SECONDS
        else:
            session = AsyncSession(connection, loop, ended=self._ended)
            self._sessions.add(session)
            self._give_back(session)
        finally:
            self._opening = None
