"""uvicorn's protocols on a connection, with deadlines and with problem documents for refusals.

uvicorn waits for ever for a request's head, for its body, and for a client that does not read, so a
client that drips bytes would hold a connection for ever. It also answers what it refuses itself in
plain text.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from cryptosource_api.http.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, ApiProblem

MAX_HEAD_BYTES = 64 * 1024
HEAD_TOO_LONG = f"A request's head may have {MAX_HEAD_BYTES} bytes"
LINGER_SECONDS = 2.0
"""How long a refusal may take to leave before the connection is reset."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a connection may take its time with."""

    head_seconds: float
    body_seconds: float
    write_seconds: float
    connections: int


class PatientConfig(uvicorn.Config):
    """uvicorn's settings with those of this module."""

    patience: Patience


class _HeadTooLong(Exception):
    """Raised among the parser's callbacks, which end the connection."""


class _NoHost(Exception):
    """So is this, where a head does not say once which host is asked (RFC 9112 3.2)."""


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: PatientConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience = config.patience
        self._phase = "head"  # what is waited for: head, body, or nothing
        self._timed = ""
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._named_bytes = 0
        self._hosts = 1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, unless there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > self._patience.connections:
            self._refuse(503, "Too many connections are open; try again shortly")
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Parse, and look at how long what is incomplete may still take."""
        if self._phase != "body":
            self._head_bytes += len(data)
        super().data_received(data)
        if self._phase == "head" and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, HEAD_TOO_LONG)
        self._watch()

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        super().on_message_begin()
        self._phase = "head"
        self._named_bytes = 0
        self._hosts = 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what a single read may have brought at once."""
        super().on_header(name, value)
        self._named_bytes += len(name) + len(value)
        if self._named_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLong

    def on_headers_complete(self) -> None:
        """Note that the head is complete."""
        self._phase = "body"
        self._head_bytes = 0
        if self.parser.get_http_version() == "1.1":
            self._hosts = sum(name == b"host" for name, _ in self.headers)
            if self._hosts != 1:
                raise _NoHost
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that nothing is waited for."""
        self._phase = ""
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what is not HTTP."""
        if self._named_bytes > MAX_HEAD_BYTES:
            self._refuse(431, HEAD_TOO_LONG)
        elif self._hosts != 1:
            self._refuse(400, "A request of HTTP/1.1 names its host once, in Host")
        else:
            self._refuse(400, "This is no HTTP/1.1 request that can be understood")

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket protocol, which has deadlines of its own."""
        self._stop_timers()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_timers()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what it was sent."""
        super().pause_writing()
        self._writing = self.loop.call_later(self._patience.write_seconds, self._abort)

    def resume_writing(self) -> None:
        """End that wait."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def on_response_complete(self) -> None:
        """Do not let a closing connection wait for ever for a client that does not read."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(self._patience.write_seconds, self._abort)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one whose client has not even taken its answer is reset."""
        if self.transport.get_write_buffer_size():
            self._abort()
        else:
            super().timeout_keep_alive_handler()

    def _watch(self) -> None:
        if self._phase == self._timed:
            return
        self._timed = self._phase
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self._phase and not self.transport.is_closing():
            late = (
                self._patience.head_seconds
                if self._phase == "head"
                else self._patience.body_seconds
            )
            self._reading = self.loop.call_later(late, self._be_late)

    def _be_late(self) -> None:
        what = "head" if self._phase == "head" else "body"
        self._refuse(408, f"The request's {what} did not arrive in time")

    def _stop_timers(self) -> None:
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        self._reading = self._writing = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what no application sees, and close. Never into an answer that is under way."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        answered = cycle is not None and cycle.response_complete
        if answered and self._phase == "body":
            self.transport.close()  # nobody waits for the rest of that body
            self.loop.call_later(LINGER_SECONDS, self._abort)
            return
        if cycle is not None and not answered:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        self.transport.write(_problem(status, detail))
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self._abort)


class RefusingWebSockets(WebSocketsSansIOProtocol):
    """uvicorn's, without its error in the log for each handshake that was answered with a problem.

    It looks for a handshake when the application has returned, and forgets that there is none where
    the application has sent a response instead. Whoever has no key could fill the log so.
    """

    async def send(self, message: Any) -> None:
        """Send, and note that a refusal is complete."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True


def _problem(status: int, detail: str) -> bytes:
    request_id = os.urandom(16).hex()
    problem = ApiProblem(status=status, detail=detail)
    body = json.dumps(problem.body(instance="", request_id=request_id)).encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-request-id": request_id,
        "connection": "close",
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"%b%b\r\n%b" % (STATUS_LINE[status], lines.encode(), body)
