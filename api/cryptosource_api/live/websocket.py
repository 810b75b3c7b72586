"""The events over a WebSocket: a client subscribes by a message, and may subscribe anew.

A client sends `{"type": "subscribe", "filters": {…}, "last_event_id": "…"}` and `{"type": "ping"}`;
it gets each event as `{"type": …, "id": …, …}`, and `heartbeat`, `pong`, and `error` with a detail.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from typing import Any

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from cryptosource_api.live.change_queries import parse_position
from cryptosource_api.live.events import Filters
from cryptosource_api.live.hub import Hub
from cryptosource_api.live.parameters import StreamParameters

SUBSCRIBE_SECONDS = 10
"""A client that has not subscribed after that is disconnected."""
MESSAGES_PER_MINUTE = 60
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001
MEMBERS = ("type", "filters", "last_event_id")
"""Of a subscription."""
HEARTBEAT = '{"type": "heartbeat"}'


class ClientRefused(Exception):
    """The client broke a rule: its connection is closed with the message as the reason."""


class Conversation:
    """One client's connection.

    Args:
        hub: yields the events.
        websocket: accepted.
    """

    def __init__(self, hub: Hub, websocket: WebSocket) -> None:
        self._hub = hub
        self._websocket = websocket
        # Two tasks send: the sender its events, the receiver its pongs and errors.
        self._send_lock = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None
        self._received_at: list[float] = []

    async def run(self) -> None:
        """Serve the client until it leaves or is dropped. `Hub.enter` must have been called."""
        receiver = asyncio.create_task(self._receive())
        try:
            await self._wait_for_end(receiver)
        except ClientRefused as refusal:
            await self._close(POLICY_VIOLATION, str(refusal))
        except (WebSocketDisconnect, OSError):
            pass
        except TimeoutError:
            await self._close(TRY_AGAIN_LATER, "too-slow")
        finally:
            self._hub.leave()
            for task in {receiver, self._sender} - {None}:
                assert task is not None  # noqa: S101 - None is taken out
                task.cancel()
                await asyncio.wait({task})

    async def _wait_for_end(self, receiver: asyncio.Task[None]) -> None:
        """Wait for the first task that ends for good; return or raise its result."""
        while True:
            sender = self._sender
            await asyncio.wait(
                {receiver, *([sender] if sender else [])},
                timeout=1,  # a subscription replaces the sender, and the hub may close without one
                return_when=asyncio.FIRST_COMPLETED,
            )
            if receiver.done():
                return receiver.result()
            if sender is not None and sender.done() and sender is self._sender:
                return sender.result()
            if self._hub.closed.is_set() and sender is None:
                return await self._close(GOING_AWAY, "shutting-down")

    async def _receive(self) -> None:
        """Handle the client's messages.

        Raises:
            ClientRefused: it sends none, binary ones, or too many.
        """
        while True:
            limit = SUBSCRIBE_SECONDS if self._sender is None else None
            try:
                async with asyncio.timeout(limit):
                    text = await self._websocket.receive_text()
            except TimeoutError:
                raise ClientRefused("subscribe-first") from None
            except KeyError:  # Starlette's look-up of "text" in a binary message
                raise ClientRefused("send-text") from None
            self._count()
            await self._handle(text)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self._received_at = [*(then for then in self._received_at if then > now - 60), now]
        if len(self._received_at) > MESSAGES_PER_MINUTE:
            raise ClientRefused("too-many-messages")

    async def _handle(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ping":
            await self._send('{"type": "pong"}')
        elif kind == "subscribe" and isinstance(message, dict):
            await self._subscribe(message)
        else:
            await self._send_error('send {"type": "subscribe", "filters": {}} or {"type": "ping"}')

    async def _subscribe(self, message: dict[str, Any]) -> None:
        try:
            parameters = _parameters_of(message)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            named = ".".join(map(str, first["loc"])) or "filters"
            await self._send_error(f"{named}: {first['msg'].removeprefix('Value error, ')}")
            return
        except ValueError as error:
            await self._send_error(str(error))
            return
        # Ended before the next begins, so that no event of the old filters follows the new ones.
        earlier, self._sender = self._sender, None
        if earlier is not None:
            earlier.cancel()
            await asyncio.wait({earlier})
        self._sender = asyncio.create_task(self._send_events(parameters))

    async def _send_events(self, parameters: StreamParameters) -> None:
        last = parameters.last_event_id
        events = self._hub.events(
            Filters.of(parameters), None if last is None else parse_position(last)
        )
        reason = ""
        async with aclosing(events):
            async for event in events:
                await self._send(HEARTBEAT if event is None else event.as_message)
                if event is not None and event.name == "dropped":
                    reason = json.loads(event.data)["reason"]
        code = GOING_AWAY if self._hub.closed.is_set() else TRY_AGAIN_LATER
        await self._close(code, reason)

    async def _send_error(self, detail: str) -> None:
        await self._send(json.dumps({"type": "error", "detail": detail}))

    async def _send(self, text: str) -> None:
        async with self._send_lock, asyncio.timeout(self._hub.settings.stream_stall_seconds):
            await self._websocket.send_text(text)

    async def _close(self, code: int, reason: str) -> None:
        with suppress(TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            async with asyncio.timeout(1):  # a client that does not read is not waited for
                await self._websocket.close(code, reason)


def _parameters_of(message: dict[str, Any]) -> StreamParameters:
    """Return the parameters of a subscription.

    Raises:
        ValueError: a value is invalid, or a member is unknown. One that was ignored could be a
            misspelt filter, and the client would get everything.
    """
    given = {} if message.get("filters") is None else message["filters"]
    if not isinstance(given, dict):
        raise ValueError("filters must be an object")  # noqa: TRY004 - as all that it raises
    unknown = [f"filters.{name}" for name in given if name == "last_event_id"]
    unknown += [name for name in message if name not in MEMBERS]
    if unknown:
        raise ValueError(f"{unknown[0][:100]}: a subscription has {', '.join(MEMBERS)}")
    return StreamParameters.model_validate({**given, "last_event_id": message.get("last_event_id")})
