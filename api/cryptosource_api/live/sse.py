"""Server-sent events (the HTML standard, 9.2)."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cryptosource_api.live.change_queries import StreamPosition
from cryptosource_api.live.events import Filters
from cryptosource_api.live.hub import Hub

logger = logging.getLogger("cryptosource.api")

RETRY_MILLISECONDS = 2_000
HEARTBEAT = b": heartbeat\n\n"


class EventStream(Response):
    """Sends events until the client goes, is dropped, or the process ends.

    Args:
        hub: yields the events.
        filters: the items that the client subscribes to.
        since: the last version that the client has; None for a new client.
    """

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, filters: Filters, since: StreamPosition | None) -> None:
        # X-Accel-Buffering: nginx would hold events back until a buffer is full.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._filters, self._since = hub, filters, since

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events.

        Raises:
            Unavailable: before anything was sent; too many clients, or no database.
        """
        del scope
        await self._hub.enter()
        sending = asyncio.ensure_future(self._send_events(send))
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except (TimeoutError, OSError):
            logger.info("stream ended: the client does not read")
        finally:
            self._hub.leave()
            for task in (sending, gone):
                task.cancel()
            await asyncio.wait({sending, gone})

    async def _send_events(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await self._send(send, start)
        await self._send(send, _body(b"retry: %d\n\n" % RETRY_MILLISECONDS))
        # Closed at once: the generator counts the client out in its `finally`.
        async with aclosing(self._hub.events(self._filters, self._since)) as events:
            async for event in events:
                await self._send(send, _body(HEARTBEAT if event is None else event.as_sse))
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, message: dict[str, object]) -> None:
        async with asyncio.timeout(self._hub.settings.stream_stall_seconds):
            await send(message)


def _body(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
