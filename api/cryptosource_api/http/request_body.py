"""Reading a request's body as a whole, up to a size and within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.types import Message, Receive

from cryptosource_api.http.problems import ApiProblem
from cryptosource_api.http.request_context import RequestContext
from cryptosource_api.settings import ApiSettings


def has_body(context: RequestContext) -> bool:
    """Return whether a request's head announces a body."""
    return (
        context.headers.get(b"content-length", b"0") != b"0"
        or b"transfer-encoding" in context.headers
    )


def check_length(context: RequestContext, settings: ApiSettings) -> None:
    """Check the body's size by Content-Length.

    Raises:
        ApiProblem: 413.
    """
    length = context.headers.get(b"content-length", b"0")
    # Cut to 20 digits: Python refuses to convert thousands of them.
    if length.isdigit() and int(length[:20]) > settings.body_bytes:
        raise _too_large(settings)


async def read_whole_body(receive: Receive, settings: ApiSettings) -> Receive:
    """Read the body, and return a `receive` that gives its messages again.

    Raises:
        ApiProblem: 413, 408.
    """
    messages: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_seconds):
            while not messages or messages[-1].get("more_body", False):
                messages.append(await receive())
                if messages[-1]["type"] == "http.disconnect":
                    raise _timed_out()
                # Counted as well: a chunked body has no Content-Length.
                size += len(messages[-1].get("body", b""))
                if size > settings.body_bytes:
                    raise _too_large(settings)
    except TimeoutError:
        raise _timed_out() from None
    return _replay(messages, receive)


def _too_large(settings: ApiSettings) -> ApiProblem:
    return ApiProblem(
        status=413,
        detail=f"A body may have {settings.body_bytes} bytes",
        headers={"Connection": "close"},
    )


def _timed_out() -> ApiProblem:
    return ApiProblem(status=408, detail="The body did not arrive in time")


def _replay(messages: Iterable[Message], receive: Receive) -> Receive:
    pending = iter(list(messages))

    async def replay() -> Message:
        message = next(pending, None)
        return message if message is not None else await receive()

    return replay
