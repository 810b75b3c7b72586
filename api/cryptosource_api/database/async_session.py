"""A session of the database whose answers the event loop waits for: psycopg2's asynchronous mode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import extensions

from cryptosource_store.prepared_statements import MOST, Prepared

QUERY_CANCELED = "57014"

Row = dict[str, Any] | None


class Lost(Exception):
    """The session is gone, or does not know the statement: read elsewhere."""


class Canceled(Exception):
    """The statement ran into the session's time limit."""

    pgcode = QUERY_CANCELED


class AsyncSession:
    """One session, with one statement at a time.

    Args:
        connection: of psycopg2, asynchronous and connected.
        loop: that waits for it.
        ended: called when the session has ended.
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
        """Return the first row that a statement answers with; None when there is none.

        Raises:
            Lost: the session cannot be used any more.
            Canceled: it took too long.
        """
        if statement.name not in self._prepared:
            if len(self._prepared) >= MOST:
                await self._send("DEALLOCATE ALL")
                self._prepared.clear()
            await self._send(statement.prepare)
            self._prepared.add(statement.name)
        return await self._send(statement.execute, values)

    def close(self) -> None:
        """End the session, whatever it is doing."""
        if self.closed:
            return
        self.closed = True
        answer, self._answer = self._answer, None
        if not self._loop.is_closed():
            self._loop.remove_reader(self._file)
            self._loop.remove_writer(self._file)
            if answer is not None and not answer.done():
                answer.set_exception(Lost("the session was ended"))
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
        """Take what has come; called when there is something, also when nobody asked."""
        try:
            state = self._connection.poll()
            waits_to_write = state == extensions.POLL_WRITE
            if waits_to_write is not self._writing:
                self._wait_to_write(waits_to_write)
            if state != extensions.POLL_OK or self._answer is None:
                return
            row = self._fetch()
        except (psycopg2.Error, ValueError) as error:  # a text that cannot be decoded is the latter
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
        """End the session: after an error nothing of it is relied on."""
        answer, self._answer = self._answer, None
        self.close()
        if answer is not None and not answer.done():
            canceled = getattr(error, "pgcode", None) == QUERY_CANCELED
            answer.set_exception(Canceled() if canceled else Lost(str(error)))


async def connected(connection: extensions.connection, loop: asyncio.AbstractEventLoop) -> None:
    """Return when a connection that is being opened is open.

    Raises:
        psycopg2.Error: it cannot be.
    """
    while (state := connection.poll()) != extensions.POLL_OK:
        file = connection.fileno()  # another one when the next address is tried
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
