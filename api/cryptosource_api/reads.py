"""Reading the database from an event loop: bounded, and never waiting longer than promised.

Statements run on threads (psycopg2 blocks), as many at a time as the pool has connections. Who
waits for a turn waits in the loop and with a deadline, so that 200 clients of a stalled database
all learn within `pool_wait_seconds` that it is busy, instead of queueing for threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_api.problems import from_database, pool_exhausted
from cryptosource_api.settings import ApiSettings
from cryptosource_store.engine import pooled_engine
from cryptosource_store.settings import SessionTimeouts

T = TypeVar("T")

logger = logging.getLogger("cryptosource.api")


def api_engine(url: URL, settings: ApiSettings) -> Engine:
    """Return the engine that the API is meant to read with.

    Args:
        url: as `parse_database_url` returns it.
        settings: sizes and limits.
    """
    return pooled_engine(
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


class Reads:
    """Runs reading functions on connections of an engine.

    Args:
        engine: a pooled one; reads run in autocommit, one statement is one snapshot.
        turns: how many read at a time; the pool's size.
        wait_seconds: how long to wait for a turn.
    """

    def __init__(self, engine: Engine, *, turns: int, wait_seconds: float) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turns = asyncio.Semaphore(turns)
        self._limiter: CapacityLimiter | None = None
        self._size = turns
        self._wait_seconds = wait_seconds

    async def __call__(self, read: Callable[[Connection], T]) -> T:
        """Return what `read` makes of a connection.

        Raises:
            ApiProblem: 503; no turn in time, the database is away, or the statement took too long.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise pool_exhausted() from None
        try:
            if self._limiter is None:
                self._limiter = CapacityLimiter(self._size)
            return await anyio.to_thread.run_sync(self._read, read, limiter=self._limiter)
        finally:
            self._turns.release()

    def _read(self, read: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return read(connection)
        except SQLAlchemyError as error:
            problem = from_database(error)
            if problem is None:
                raise
            cause = str(getattr(error, "orig", None) or error).partition("\n")[0]
            logger.warning("read failed", extra={"problem": problem.kind, "cause": cause})
            raise problem from error
