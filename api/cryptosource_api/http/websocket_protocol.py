"""The WebSocket protocol on a connection, which takes a refusal for an answer."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


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
