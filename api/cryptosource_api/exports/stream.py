"""The response of an export: rows are read as fast as the client takes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from cryptosource_api.database.data_version import VersionWatch
from cryptosource_api.exports.formats import CONTENT_TYPES, Form
from cryptosource_api.exports.session import ExportSession, Select
from cryptosource_api.http.envelope import etag_of, is_current
from cryptosource_api.http.problems import Unavailable
from cryptosource_api.http.response_cache import REVALIDATE
from cryptosource_api.settings import ApiSettings
from cryptosource_store.engine import session_engine
from cryptosource_store.settings import SessionTimeouts

T = TypeVar("T")

logger = logging.getLogger("cryptosource.api")


class ClientGone(Exception):
    """The client disconnected, or has stopped reading."""


class Exports:
    """The exports of an application: their engine, threads and number.

    Args:
        url: the database.
        settings: the `export_*` ones.
        versions: the data's versions.
    """

    def __init__(self, url: URL, settings: ApiSettings, versions: VersionWatch) -> None:
        self.settings = settings
        self.versions = versions
        self.running = 0
        self._engine = session_engine(
            url,
            application="cryptosource-export",
            timeouts=SessionTimeouts(
                statement_seconds=settings.export_statement_seconds,
                connect_seconds=settings.connect_timeout_seconds,
                lock_seconds=settings.statement_timeout_seconds,
                # A stalled client is dropped earlier; this is for a process that has hung or died.
                idle_in_transaction_seconds=2 * settings.export_stall_seconds,
            ),
        )
        self._threads = ThreadPoolExecutor(
            max_workers=settings.export_concurrency, thread_name_prefix="export"
        )

    def session(self, form: Form) -> ExportSession:
        """Return a new session, not yet opened."""
        return ExportSession(self._engine, form, max_rows=self.settings.export_rows)

    async def run_on_thread(self, work: Callable[[], T]) -> T:
        """Run a function that blocks on a thread of the exports."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class ExportResponse(Response):
    """Streams one export; the query runs when the response is sent.

    Args:
        exports: of the application.
        form: any but JSON.
        select: selects the rows.
        name: of the file, without its extension.
    """

    def __init__(self, exports: Exports, form: Form, select: Select, *, name: str) -> None:
        super().__init__(media_type=CONTENT_TYPES[form])
        self._exports = exports
        self._form = form
        self._select = select
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the export.

        Raises:
            ApiProblem: before anything was sent, or after a part of it. In the second case the
                connection is cut, by which the client knows that the file is incomplete.
        """
        request = Request(scope)
        # Checked by the known version first: an unchanged export takes neither a place nor a session.
        etag = self._etag(scope, (await self._exports.versions.current()).of_sources)
        if is_current(request.scope, etag):
            await _not_modified(etag)(scope, receive, send)
            return
        if self._exports.running >= self._exports.settings.export_concurrency:
            raise Unavailable("exports-busy", "Enough exports are running; try again shortly")
        # Nothing is awaited between the check and this, so the limit holds without a lock.
        self._exports.running += 1
        # Nothing else receives: the request has no body, so the next message is the disconnect.
        gone = asyncio.create_task(_wait_for_disconnect(receive))
        session = self._exports.session(self._form)
        try:
            async with asyncio.timeout(self._exports.settings.export_seconds):
                await self._send(session, gone, request, send)
        except ClientGone:
            logger.info("export ended: the client is gone", extra={"file": self._name})
        except TimeoutError:
            raise Unavailable("export-timeout", "The export took too long; narrow it") from None
        finally:
            gone.cancel()
            # Shielded: a cancelled response must still give its connection and its place back.
            await asyncio.shield(self._close(session))

    async def _close(self, session: ExportSession) -> None:
        try:
            await self._exports.run_on_thread(session.close)
        finally:
            self._exports.running -= 1

    async def _send(
        self, session: ExportSession, gone: asyncio.Task[None], request: Request, send: Send
    ) -> None:
        await self._work(session, lambda: session.open(self._select), gone)
        # Again by the version of the snapshot, which may be newer.
        etag = self._etag(request.scope, session.version)
        if is_current(request.scope, etag):
            await _not_modified(etag)(request.scope, request.receive, send)
            return
        self._name_headers(etag)
        headers = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await self._deliver(headers, gone, send)
        while (chunk := await self._work(session, session.next, gone)) is not None:
            if chunk:
                body = {"type": "http.response.body", "body": chunk, "more_body": True}
                await self._deliver(body, gone, send)
        await self._deliver({"type": "http.response.body", "body": b""}, gone, send)

    def _etag(self, scope: Scope, version: str) -> str:
        key = f"{self._form} {scope['path']}?".encode() + scope["query_string"]
        return etag_of(key, version)

    def _name_headers(self, etag: str) -> None:
        # Starlette has set it to 0, for the empty body that the response was made with.
        del self.headers["content-length"]
        self.headers.update(
            {
                "ETag": etag,
                "Cache-Control": REVALIDATE,
                "Vary": "Accept",
                "Content-Disposition": disposition(f"{self._name}.{self._form}"),
            }
        )

    async def _work(
        self, session: ExportSession, work: Callable[[], T], gone: asyncio.Task[None]
    ) -> T:
        """Run a blocking step; cancel its query if the client disconnects or this task is cancelled."""
        step = asyncio.ensure_future(self._exports.run_on_thread(work))
        try:
            await asyncio.wait({step, gone}, return_when=asyncio.FIRST_COMPLETED)
            if step.done():
                return step.result()
            raise ClientGone
        finally:
            if not step.done():
                await asyncio.shield(self._end(session, step))

    @staticmethod
    async def _end(session: ExportSession, step: asyncio.Future[T]) -> None:
        # Not on the exports' threads, which may all be busy: libpq opens a connection to cancel.
        await asyncio.to_thread(session.cancel)
        await asyncio.wait({step})
        # Retrieved: asyncio logs exceptions that are never retrieved.
        step.exception()

    async def _deliver(self, message: Message, gone: asyncio.Task[None], send: Send) -> None:
        """Send a message, with a limit on the wait for a client that does not read."""
        if gone.done():
            raise ClientGone
        try:
            async with asyncio.timeout(self._exports.settings.export_stall_seconds):
                await send(message)
        except (TimeoutError, OSError) as error:
            raise ClientGone from error


def _not_modified(etag: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": REVALIDATE, "Vary": "Accept"}
    return Response(status_code=304, headers=headers)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def disposition(filename: str) -> str:
    """Return a Content-Disposition that saves under a name of any characters (RFC 6266)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in filename)
    if plain == filename:
        return f'attachment; filename="{filename}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
