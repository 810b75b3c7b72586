"""uvicorn's connection protocols with deadlines, and with problem documents for its refusals.

uvicorn waits without limit for a request's head, for its body, and for a client that does not read,
so a client that sends single bytes would hold a connection for ever. Its own refusals are plain
text.
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
"""How long a refusal may take to reach the client before the connection is reset."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """Deadlines of a connection, and how many connections there may be."""

    head_seconds: float
    body_seconds: float
    write_seconds: float
    connections: int


class LimitedConfig(uvicorn.Config):
    """uvicorn's settings and those of this module."""

    limits: ConnectionLimits


# httptools turns an exception of a callback into its own error, on which uvicorn calls
# `send_400_response`; the reason has to be found again there.


class _HeadTooLong(Exception):
    """The head of a request is larger than `MAX_HEAD_BYTES`."""


class _NoHost(Exception):
    """An HTTP/1.1 head has not exactly one Host field (RFC 9112 3.2)."""


class LimitedProtocol(HttpToolsProtocol):
    """One HTTP connection with deadlines for reading and writing."""

    def __init__(
        self,
        config: LimitedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config.limits
        self._phase = "head"  # the part of a request that is awaited: head, body, or ""
        self._timed_phase = ""
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._header_bytes = 0
        self._host_count = 1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head, or refuse one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(503, "Too many connections are open; try again shortly")
        else:
            self._restart_read_timer()

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and set the deadline of the part that is still incomplete."""
        if self._phase != "body":
            self._head_bytes += len(data)
        super().data_received(data)
        if self._phase == "head" and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, HEAD_TOO_LONG)
        self._restart_read_timer()

    def on_message_begin(self) -> None:
        """Reset the counts for a new head."""
        super().on_message_begin()
        self._phase = "head"
        self._header_bytes = 0
        self._host_count = 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the bytes of the head's fields."""
        super().on_header(name, value)
        # `data_received` counts reads; one read may bring a whole head that is too long.
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLong

    def on_headers_complete(self) -> None:
        """Check the Host field and await the body."""
        self._phase = "body"
        self._head_bytes = 0
        if self.parser.get_http_version() == "1.1":
            self._host_count = sum(name == b"host" for name, _ in self.headers)
            if self._host_count != 1:
                raise _NoHost
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Await nothing more: the request is complete."""
        self._phase = ""
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse a request that the parser did not accept."""
        if self._header_bytes > MAX_HEAD_BYTES:
            self._refuse(431, HEAD_TOO_LONG)
        elif self._host_count != 1:
            self._refuse(400, "A request of HTTP/1.1 names its host once, in Host")
        else:
            self._refuse(400, "This is no HTTP/1.1 request that can be understood")

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the WebSocket protocol, which has deadlines of its own."""
        self._stop_timers()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        self._stop_timers()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the deadline for the client to read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.write_seconds, self._abort)

    def resume_writing(self) -> None:
        """Cancel that deadline."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def on_response_complete(self) -> None:
        """Limit how long a closing connection waits for a client that does not read."""
        super().on_response_complete()
        # asyncio closes a transport only after its write buffer is empty.
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(self._limits.write_seconds, self._abort)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; reset it if the client has not read its last answer."""
        if self.transport.get_write_buffer_size():
            self._abort()
        else:
            super().timeout_keep_alive_handler()

    def _restart_read_timer(self) -> None:
        # Per phase, not per read: a client that sends single bytes must not extend its deadline.
        if self._phase == self._timed_phase:
            return
        self._timed_phase = self._phase
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
        if self._phase and not self.transport.is_closing():
            seconds = (
                self._limits.head_seconds if self._phase == "head" else self._limits.body_seconds
            )
            self._read_timer = self.loop.call_later(seconds, self._refuse_late)

    def _refuse_late(self) -> None:
        what = "head" if self._phase == "head" else "body"
        self._refuse(408, f"The request's {what} did not arrive in time")

    def _stop_timers(self) -> None:
        for timer in (self._read_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._read_timer = self._write_timer = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer a request that does not reach the application, and close the connection."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        answered = cycle is not None and cycle.response_complete
        if answered and self._phase == "body":
            # The request was answered before its body had arrived: the client has its answer.
            self.transport.close()
            self.loop.call_later(LINGER_SECONDS, self._abort)
            return
        if cycle is not None and not answered:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                # A problem document in the middle of another answer would look like its data.
                self.transport.abort()
                return
        self.transport.write(_problem(status, detail))
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self._abort)


class DenialWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol without an error in the log for each refused handshake.

    uvicorn logs an error when the application returns without a handshake, even if it has sent a
    denial response instead. Clients without a key could fill the log that way.
    """

    async def send(self, message: Any) -> None:
        """Send a message, and mark the handshake as done after a denial response."""
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
