"""The same events over a WebSocket: a client subscribes by a message, and may do so again.

A client sends `{"type": "subscribe", "filters": {…}, "last_event_id": "…"}` and `{"type": "ping"}`;
it gets each event as `{"type": …, "id": …, …}`, `heartbeat`, `pong`, and `error` with a problem.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from typing import Any

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from cryptosource_api.live.change_queries import place_of
from cryptosource_api.live.events import Filters
from cryptosource_api.live.hub import Hub
from cryptosource_api.live.parameters import StreamParameters

SUBSCRIBE_SECONDS = 10
"""Who connects and asks for nothing is closed after that."""
MESSAGES_PER_MINUTE = 60
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001
MEMBERS = ("type", "filters", "last_event_id")
"""Of a subscription."""
HEARTBEAT = '{"type": "heartbeat"}'


class Refused(Exception):
    """The client is told why, and closed."""


class Conversation:
    """One client.

    Args:
        hub: where it listens.
        websocket: accepted.
    """

    def __init__(self, hub: Hub, websocket: WebSocket) -> None:
        self._hub = hub
        self._websocket = websocket
        self._sending = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None
        self._heard: list[float] = []

    async def run(self) -> None:
        """Talk until the client goes or is dropped. `Hub.enter` was called."""
        hearing = asyncio.create_task(self._hear())
        try:
            await self._until_over(hearing)
        except Refused as refused:
            await self._close(POLICY_VIOLATION, str(refused))
        except (WebSocketDisconnect, OSError):
            pass
        except TimeoutError:
            await self._close(TRY_AGAIN_LATER, "too-slow")
        finally:
            self._hub.leave()
            for task in {hearing, self._telling} - {None}:
                assert task is not None  # noqa: S101 - None is taken out
                task.cancel()
                await asyncio.wait({task})

    async def _until_over(self, hearing: asyncio.Task[None]) -> None:
        """Return or raise what the first of the tasks that ends for good does."""
        while True:
            telling = self._telling
            await asyncio.wait(
                {hearing, *([telling] if telling else [])},
                timeout=1,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if hearing.done():
                return hearing.result()
            if telling is not None and telling.done() and telling is self._telling:
                return telling.result()
            if self._hub.closed.is_set() and telling is None:
                return await self._close(GOING_AWAY, "shutting-down")

    async def _hear(self) -> None:
        """Read what the client sends.

        Raises:
            Refused: it says nothing, or too much.
        """
        while True:
            limit = SUBSCRIBE_SECONDS if self._telling is None else None
            try:
                async with asyncio.timeout(limit):
                    text = await self._websocket.receive_text()
            except TimeoutError:
                raise Refused("subscribe-first") from None
            except KeyError:
                raise Refused("send-text") from None
            self._count()
            await self._obey(text)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self._heard = [*(then for then in self._heard if then > now - 60), now]
        if len(self._heard) > MESSAGES_PER_MINUTE:
            raise Refused("too-many-messages")

    async def _obey(self, text: str) -> None:
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
            await self._complain('send {"type": "subscribe", "filters": {}} or {"type": "ping"}')

    async def _subscribe(self, message: dict[str, Any]) -> None:
        try:
            parameters = _parameters_of(message)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            named = ".".join(map(str, first["loc"])) or "filters"
            await self._complain(f"{named}: {first['msg'].removeprefix('Value error, ')}")
            return
        except ValueError as error:
            await self._complain(str(error))
            return
        earlier, self._telling = self._telling, None
        if earlier is not None:
            earlier.cancel()
            await asyncio.wait({earlier})
        self._telling = asyncio.create_task(self._tell(parameters))

    async def _tell(self, parameters: StreamParameters) -> None:
        last = parameters.last_event_id
        events = self._hub.events(Filters.of(parameters), None if last is None else place_of(last))
        reason = ""
        async with aclosing(events):
            async for event in events:
                await self._send(HEARTBEAT if event is None else event.as_message)
                if event is not None and event.name == "dropped":
                    reason = json.loads(event.data)["reason"]
        code = GOING_AWAY if self._hub.closed.is_set() else TRY_AGAIN_LATER
        await self._close(code, reason)

    async def _complain(self, detail: str) -> None:
        await self._send(json.dumps({"type": "error", "detail": detail}))

    async def _send(self, text: str) -> None:
        async with self._sending, asyncio.timeout(self._hub.settings.stream_stall_seconds):
            await self._websocket.send_text(text)

    async def _close(self, code: int, reason: str) -> None:
        with suppress(TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            async with asyncio.timeout(1):  # a client that does not read is not waited for
                await self._websocket.close(code, reason)


def _parameters_of(message: dict[str, Any]) -> StreamParameters:
    """Return what a subscription asks for.

    Raises:
        ValueError: it holds something that would be left aside; whoever filters by a misspelt name
            would be told everything.
    """
    given = {} if message.get("filters") is None else message["filters"]
    if not isinstance(given, dict):
        raise ValueError("filters must be an object")  # noqa: TRY004 - as all that it raises
    unknown = [f"filters.{name}" for name in given if name == "last_event_id"]
    unknown += [name for name in message if name not in MEMBERS]
    if unknown:
        raise ValueError(f"{unknown[0][:100]}: a subscription has {', '.join(MEMBERS)}")
    return StreamParameters.model_validate({**given, "last_event_id": message.get("last_event_id")})
