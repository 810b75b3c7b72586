"""Queries from an event loop, with bounds on concurrency and on waiting.

A query that is one prepared statement is sent by the loop itself. Others run on threads, where
psycopg2 blocks, as many at a time as the threads' pool has connections. Requests wait for a thread
on the loop and with a deadline, so that 200 clients of a stalled database are all answered within
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
from cryptosource_api.database.async_session import Row, SessionLost, StatementCanceled
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
    """A query that is one statement, prepared once in each session, with a result of one row."""

    statement: TextClause
    parameters: Mapping[str, Any]
    finish: Callable[[Mapping[str, Any] | None], T | OneRow[T]]
    """Turns the row (None without one) into the answer, or into the query to run next."""
    constants: Sequence[str] = ()
    """As for `execute_prepared`."""

    def __call__(self, connection: Connection) -> T:
        """Run the query on a connection, as any other query function does."""
        found = execute_prepared(
            connection, self.statement, self.parameters, constants=self.constants
        )
        row = found.mappings().one_or_none()
        result = self.finish(None if row is None else dict(row))
        return result(connection) if isinstance(result, OneRow) else result

    def then(self, read: Callable[[T], OneRow[S]]) -> OneRow[S]:
        """Return this query followed by another one that is made from its answer."""

        def finish(row: Mapping[str, Any] | None) -> OneRow[S]:
            result = self.finish(row)
            return result.then(read) if isinstance(result, OneRow) else read(result)

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
    """Return the engine that the API reads with.

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
    """Return the pool of the event loop's sessions.

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
    """How busy the connections are."""

    turns: int
    """Queries that can run at a time: the connections of both pools."""
    at_work: int
    """Queries that are running."""
    waiting: int
    """Queries that wait for a connection."""


class QueryRunner:
    """Runs query functions on connections of an engine.

    Args:
        engine: a `reading_engine`; each statement sees a snapshot of its own.
        turns: queries on threads at a time; the size of the engine's pool.
        wait_seconds: how long to wait for a thread.
        pool: the event loop's sessions; None runs every query on a thread.
        tracer_provider: makes spans of the loop's statements; None makes none.
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
        """Return how busy the connections are now."""
        loop = self._pool
        return Load(
            turns=self._size + (loop.size if loop else 0),
            at_work=self._at_work + (loop.at_work if loop else 0),
            waiting=self._waiting + (loop.waiting if loop else 0),
        )

    def close(self) -> None:
        """Close the loop's pool. The engine stays open: its owner disposes of it."""
        if self._pool is not None:
            self._pool.close()

    async def __call__(self, read: Callable[[Connection], T]) -> T:
        """Run a query and return its result.

        Raises:
            ApiProblem: 503; no free connection in time, the database is away, or the statement
                took too long.
        """
        # Behind a transaction pooler a prepared statement may be in another server session.
        if isinstance(read, OneRow) and self._pool is not None and not pooler_found():
            try:
                return await self._run_on_loop(self._pool, cast("OneRow[T]", read))
            except SessionLost as error:
                logger.debug("read on a thread instead", extra={"cause": str(error)})
        return await self._run_on_thread(partial(self._read, read))

    async def _run_on_loop(self, pool: AsyncPool, read: OneRow[T]) -> T:
        result: T | OneRow[T] = read
        while isinstance(result, OneRow):
            result = result.finish(await self._fetch_row(pool, result))
        return result

    async def _fetch_row(self, pool: AsyncPool, read: OneRow[Any]) -> Row:
        parts = prepared(read.statement, read.parameters, read.constants)
        values = parts.values(read.parameters)
        try:
            if self._tracer_provider is None:
                return await pool.row(parts, values)
            span = statement_span(parts.execute, self._database, self._tracer_provider)
            return await pool.row(parts, values, span)
        except StatementCanceled:
            problem = statement_timeout()
            logger.warning(_FAILED, extra={"problem": problem.kind, "cause": "statement timeout"})
            raise problem from None
        except TimeoutError:
            raise pool_exhausted() from None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, commit it, and return its result.

        Raises:
            ApiProblem: 503 as for a query; nothing was written then, unless the connection was
                lost during the commit.
        """
        return await self._run_on_thread(partial(self._write, work))

    async def _run_on_thread(self, run: Callable[[], T]) -> T:
        await self._take_turn()
        self._at_work += 1
        context = contextvars.copy_context()  # spans made on the thread need the request's
        call = asyncio.get_running_loop().run_in_executor(self._threads, context.run, run)
        call.add_done_callback(self._end_turn)
        # A thread cannot be cancelled: without the shield a client that goes away would free a
        # connection that is still in use.
        return await asyncio.shield(call)

    def _end_turn(self, call: asyncio.Future[Any]) -> None:
        """Release the turn when the thread is done, also if the caller was cancelled meanwhile."""
        self._at_work -= 1
        self._turns.release()
        if not call.cancelled():
            call.exception()  # retrieved: asyncio logs exceptions that are never retrieved

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
                return self._read_once(read)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # The connection was lost while it was idle; SQLAlchemy has discarded all of its age.
            # A read has no effects, so trying again is safe, and shows whether the database is up.
            return self._read_once(read)

    def _read_once(self, read: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return read(connection)

    def _write(self, work: Callable[[Connection], T]) -> T:
        self._read(_ping)  # replaces lost connections first: a write cannot simply be tried again
        with database_problems(_FAILED), self._writing_engine.begin() as connection:
            return work(connection)


def _ping(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1")
