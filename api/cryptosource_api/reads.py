"""Reading the database from an event loop: bounded, and never waiting longer than promised.

Statements run on threads (psycopg2 blocks), as many at a time as the pool has connections. Who
waits for a turn waits in the loop and with a deadline, so that 200 clients of a stalled database
all learn within `pool_wait_seconds` that it is busy, instead of queueing for threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from cryptosource_api.problems import database_problems, pool_exhausted
from cryptosource_api.settings import ApiSettings
from cryptosource_store.engine import reading_engine
from cryptosource_store.settings import SessionTimeouts

T = TypeVar("T")

logger = logging.getLogger("cryptosource.api")
_FAILED = "the database failed"


def api_engine(url: URL, settings: ApiSettings) -> Engine:
    """Return the engine that the API is meant to read with.

    Args:
        url: as `parse_database_url` returns it.
        settings: sizes and limits.
    """
    return reading_engine(
        url,
        application="cryptosource-api",
        size=settings.pool_size,
        wait_seconds=settings.pool_wait_seconds,
        timeouts=SessionTimeouts(
            statement_seconds=settings.statement_timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
            lock_seconds=settings.statement_timeout_seconds,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Load:
    """How busy the reads are."""

    turns: int
    """How many can be at work at a time: connections of the pool."""
    at_work: int
    waiting: int


class Reads:
    """Runs reading functions on connections of an engine.

    Args:
        engine: a `reading_engine`; one statement is one snapshot.
        turns: how many read at a time; the pool's size.
        wait_seconds: how long to wait for a turn.
    """

    def __init__(self, engine: Engine, *, turns: int, wait_seconds: float) -> None:
        self._engine = engine
        self._writing_engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._turns = asyncio.Semaphore(turns)
        self._threads = ThreadPoolExecutor(turns, thread_name_prefix="reads")
        self._size = turns
        self._wait_seconds = wait_seconds
        self._at_work = 0
        self._waiting = 0

    def load(self) -> Load:
        """Return how busy the reads are now."""
        return Load(turns=self._size, at_work=self._at_work, waiting=self._waiting)

    async def __call__(self, read: Callable[[Connection], T]) -> T:
        """Return what `read` makes of a connection.

        Raises:
            ApiProblem: 503; no turn in time, the database is away, or the statement took too long.
        """
        return await self._in_turn(partial(self._read, read))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` makes of a connection in one transaction, which commits at its end.

        Raises:
            ApiProblem: 503 as for a read; nothing was written then, unless the connection was lost
                at the commit itself.
        """
        return await self._in_turn(partial(self._write, work))

    async def _in_turn(self, run: Callable[[], T]) -> T:
        await self._take_turn()
        self._at_work += 1
        context = contextvars.copy_context()
        call = asyncio.get_running_loop().run_in_executor(self._threads, context.run, run)
        call.add_done_callback(self._end_turn)
        return await asyncio.shield(call)

    def _end_turn(self, call: asyncio.Future[Any]) -> None:
        """Give the turn back when the thread is done, also where the caller has gone meanwhile."""
        self._at_work -= 1
        self._turns.release()
        if not call.cancelled():
            call.exception()  # looked at, so that nobody complains of one that nobody awaited

    async def _take_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise pool_exhausted() from None
        finally:
            self._waiting -= 1

    def _read(self, read: Callable[[Connection], T]) -> T:
        with database_problems(_FAILED):
            try:
                return self._once(read)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # It was lost while it lay in the pool, and its like are thrown away by now. Reading
            # again changes nothing, and tells whether the database is there.
            return self._once(read)

    def _once(self, read: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return read(connection)

    def _write(self, work: Callable[[Connection], T]) -> T:
        self._read(_touch)  # a connection that was lost in the pool is noticed before the work
        with database_problems(_FAILED), self._writing_engine.begin() as connection:
            return work(connection)


def _touch(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1")
