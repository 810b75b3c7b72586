"""A database session on the event loop, in psycopg2's asynchronous mode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import extensions

from cryptosource_store.prepared_statements import MAX_PREPARED, Prepared

QUERY_CANCELED = "57014"

Row = dict[str, Any] | None


class SessionLost(Exception):
    """The session is closed or failed: run the statement on a thread."""


class StatementCanceled(Exception):
    """The statement ran into the session's time limit."""

    pgcode = QUERY_CANCELED


class AsyncSession:
    """One session, which runs one statement at a time.

    Args:
        connection: of psycopg2, asynchronous and connected.
        loop: the event loop that watches its socket.
        ended: called when the session has been closed.
    """

    def __init__(
        self,
        connection: extensions.connection,
        loop: asyncio.AbstractEventLoop,
        *,
        ended: Callable[[AsyncSession], None],
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._loop = loop
        self._ended = ended
        self._file = connection.fileno()
        self._prepared: set[str] = set()
        self._answer: asyncio.Future[Row] | None = None
        self._writing = False
        self.opened_at = time.monotonic()
        self.closed = False
        loop.add_reader(self._file, self._advance)

    async def row(self, statement: Prepared, values: tuple[Any, ...]) -> Row:
        """Return the first row of a statement's result; None if it has none.

        Raises:
            SessionLost: the session cannot be used any more.
            StatementCanceled: the statement took too long.
        """
        if statement.name not in self._prepared:
            # Each prepared statement takes memory of the server for as long as the session lives.
            if len(self._prepared) >= MAX_PREPARED:
                await self._send("DEALLOCATE ALL")
                self._prepared.clear()
            await self._send(statement.prepare)
            self._prepared.add(statement.name)
        return await self._send(statement.execute, values)

    def close(self) -> None:
        """End the session, also in the middle of a statement."""
        if self.closed:
            return
        self.closed = True
        answer, self._answer = self._answer, None
        if not self._loop.is_closed():
            # Before the socket is closed: its number may be that of another file at once.
            self._loop.remove_reader(self._file)
            self._loop.remove_writer(self._file)
            if answer is not None and not answer.done():
                answer.set_exception(SessionLost("the session was ended"))
        self._connection.close()
        self._ended(self)

    def _send(self, sql: str, values: tuple[Any, ...] = ()) -> asyncio.Future[Row]:
        answer = self._answer = self._loop.create_future()
        try:
            self._cursor.execute(sql, values or None)
        except psycopg2.Error as error:
            self._fail(error)
        else:
            self._advance()
        return answer

    def _advance(self) -> None:
        """Process what the socket has brought; complete the answer once it is whole."""
        # Also called without a statement under way: a server that shuts down says so at any time.
        try:
            state = self._connection.poll()
            waits_to_write = state == extensions.POLL_WRITE
            if waits_to_write is not self._writing:
                self._wait_to_write(waits_to_write)
            if state != extensions.POLL_OK or self._answer is None:
                return
            row = self._fetch()
        except (psycopg2.Error, ValueError) as error:  # UnicodeDecodeError is a ValueError
            self._fail(error)
        else:
            answer, self._answer = self._answer, None
            if not answer.done():
                answer.set_result(row)

    def _fetch(self) -> Row:
        columns = self._cursor.description
        if columns is None:
            return None
        values = self._cursor.fetchone()
        if values is None:
            return None
        return {column[0]: value for column, value in zip(columns, values, strict=True)}

    def _wait_to_write(self, waits: bool) -> None:  # noqa: FBT001 - a state
        self._writing = waits
        if waits:
            self._loop.add_writer(self._file, self._advance)
        else:
            self._loop.remove_writer(self._file)

    def _fail(self, error: Exception) -> None:
        """Close the session and fail the answer that is awaited."""
        # After any error: the state of its transaction and of its statements is not known.
        answer, self._answer = self._answer, None
        self.close()
        if answer is not None and not answer.done():
            canceled = getattr(error, "pgcode", None) == QUERY_CANCELED
            answer.set_exception(StatementCanceled() if canceled else SessionLost(str(error)))


async def wait_connected(
    connection: extensions.connection, loop: asyncio.AbstractEventLoop
) -> None:
    """Wait until a connection is open.

    Raises:
        psycopg2.Error: it cannot be opened.
    """
    while (state := connection.poll()) != extensions.POLL_OK:
        file = connection.fileno()  # changes when libpq tries the next address of a host
        ready: asyncio.Future[None] = loop.create_future()
        wait, done = (
            (loop.add_writer, loop.remove_writer)
            if state == extensions.POLL_WRITE
            else (loop.add_reader, loop.remove_reader)
        )
        wait(file, _wake, ready)
        try:
            await ready
        finally:
            done(file)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
