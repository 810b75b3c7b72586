"""Reading the database from an event loop: bounded, and never waiting longer than promised.

A reading that is one prepared statement is sent by the loop itself. Others run on threads (psycopg2
blocks there), as many at a time as the threads' pool has connections. Who waits for a turn waits in
the loop and with a deadline, so that 200 clients of a stalled database all learn within
`pool_wait_seconds` that it is busy, instead of queueing for threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar, cast

import psycopg2
from opentelemetry.trace import TracerProvider
from sqlalchemy import URL, Connection, Engine, TextClause
from sqlalchemy.exc import DBAPIError

from cryptosource_api.database.async_pool import AsyncPool
from cryptosource_api.database.async_session import Canceled, Lost, Row
from cryptosource_api.http.problems import database_problems, pool_exhausted, statement_timeout
from cryptosource_api.settings import ApiSettings
from cryptosource_store.engine import driver_arguments, reading_engine
from cryptosource_store.prepared_statements import execute_prepared, pooler_found, prepared
from cryptosource_store.settings import SessionTimeouts
from cryptosource_telemetry.sql_spans import statement_span

S = TypeVar("S")
T = TypeVar("T")

logger = logging.getLogger("cryptosource.api")
_FAILED = "the database failed"
_APPLICATION = "cryptosource-api"


@dataclass(frozen=True, kw_only=True)
class OneRow(Generic[T]):
    """A reading that is one statement, planned once a session, of which one row matters."""

    statement: TextClause
    parameters: Mapping[str, Any]
    finish: Callable[[Mapping[str, Any] | None], T | OneRow[T]]
    """Makes of the row the answer, or what must be read next; of None when there is no row."""
    constants: Sequence[str] = ()
    """As for `execute_prepared`."""

    def __call__(self, connection: Connection) -> T:
        """Read on a connection, as any reading does."""
        found = execute_prepared(
            connection, self.statement, self.parameters, constants=self.constants
        )
        row = found.mappings().one_or_none()
        made = self.finish(None if row is None else dict(row))
        return made(connection) if isinstance(made, OneRow) else made

    def then(self, read: Callable[[T], OneRow[S]]) -> OneRow[S]:
        """Return this reading and another one that its answer asks for."""

        def finish(row: Mapping[str, Any] | None) -> OneRow[S]:
            made = self.finish(row)
            return made.then(read) if isinstance(made, OneRow) else read(made)

        return OneRow(
            statement=self.statement,
            parameters=self.parameters,
            constants=self.constants,
            finish=finish,
        )


def _timeouts(settings: ApiSettings) -> SessionTimeouts:
    return SessionTimeouts(
        statement_seconds=settings.statement_timeout_seconds,
        connect_seconds=settings.connect_timeout_seconds,
        lock_seconds=settings.statement_timeout_seconds,
    )


def api_engine(url: URL, settings: ApiSettings) -> Engine:
    """Return the engine that the API is meant to read with.

    Args:
        url: as `parse_database_url` returns it.
        settings: sizes and limits.
    """
    return reading_engine(
        url,
        application=_APPLICATION,
        size=settings.thread_connections,
        wait_seconds=settings.pool_wait_seconds,
        timeouts=_timeouts(settings),
    )


def async_pool(url: URL, settings: ApiSettings) -> AsyncPool:
    """Return the pool that the event loop reads with.

    Args:
        url: as `parse_database_url` returns it.
        settings: sizes and limits.
    """
    arguments = driver_arguments(url, application=_APPLICATION, timeouts=_timeouts(settings))
    return AsyncPool(
        partial(psycopg2.connect, **arguments, async_=1),
        size=settings.loop_connections,
        open_seconds=settings.connect_timeout_seconds,
        wait_seconds=settings.pool_wait_seconds,
    )


@dataclass(frozen=True, kw_only=True)
class Load:
    """How busy the reads are."""

    turns: int
    """How many can be at work at a time: connections of the pool."""
    at_work: int
    waiting: int


class QueryRunner:
    """Runs reading functions on connections of an engine.

    Args:
        engine: a `reading_engine`; one statement is one snapshot.
        turns: how many read on threads at a time; the engine's size.
        wait_seconds: how long to wait for a turn.
        pool: what the loop reads with; None reads everything on threads.
        tracer_provider: makes spans of what the loop reads; None makes none.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        turns: int,
        wait_seconds: float,
        pool: AsyncPool | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self._pool = pool
        self._tracer_provider = tracer_provider
        self._database = engine.url.database
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
        loop = self._pool
        return Load(
            turns=self._size + (loop.size if loop else 0),
            at_work=self._at_work + (loop.at_work if loop else 0),
            waiting=self._waiting + (loop.waiting if loop else 0),
        )

    def close(self) -> None:
        """End the loop's pool; the engine is its maker's to dispose of."""
        if self._pool is not None:
            self._pool.close()

    async def __call__(self, read: Callable[[Connection], T]) -> T:
        """Return what `read` makes of a connection.

        Raises:
            ApiProblem: 503; no turn in time, the database is away, or the statement took too long.
        """
        if isinstance(read, OneRow) and self._pool is not None and not pooler_found():
            try:
                return await self._on_the_loop(self._pool, cast("OneRow[T]", read))
            except Lost as error:
                logger.debug("read on a thread instead", extra={"cause": str(error)})
        return await self._in_turn(partial(self._read, read))

    async def _on_the_loop(self, pool: AsyncPool, read: OneRow[T]) -> T:
        made: T | OneRow[T] = read
        while isinstance(made, OneRow):
            made = made.finish(await self._one_row(pool, made))
        return made

    async def _one_row(self, pool: AsyncPool, read: OneRow[Any]) -> Row:
        parts = prepared(read.statement, read.parameters, read.constants)
        values = parts.values(read.parameters)
        try:
            if self._tracer_provider is None:
                return await pool.row(parts, values)
            span = statement_span(parts.execute, self._database, self._tracer_provider)
            return await pool.row(parts, values, span)
        except Canceled:
            problem = statement_timeout()
            logger.warning(_FAILED, extra={"problem": problem.kind, "cause": "statement timeout"})
            raise problem from None
        except TimeoutError:
            raise pool_exhausted() from None

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
