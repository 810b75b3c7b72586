"""What every answer is wrapped in: data, pagination, meta.

`data` comes from Postgres as text and is never parsed; `meta` differs with each request and is
written behind a body that may come from the cache.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from cryptosource_api.database.data_version import EMPTY
from cryptosource_api.http.request_context import context_of
from cryptosource_api.http.response_cache import CachedResponse, opaque_of

REVISION = "1"
"""Goes into every ETag; raise it when the form of the answers changes."""


def list_body(data: str, pagination: dict[str, Any]) -> bytes:
    """Return a list up to where its meta goes; `data` is JSON values joined by commas."""
    return b'{"data":[%b],"pagination":%b' % (data.encode(), to_json(pagination))


def object_body(data: str) -> bytes:
    """Return one thing up to where its meta goes; `data` is a JSON value."""
    return f'{{"data":{data}'.encode()


def with_meta(body: bytes, scope: Scope) -> bytes:
    """Return the whole envelope. A request id needs no escaping: it was checked or made here."""
    context = context_of(scope)
    return b'%b,"meta":{"request_id":"%b","api_latency_ms":%.3f}}' % (
        body,
        context.request_id.encode("ascii"),
        context.seconds() * 1000,
    )


def key_of(scope: Scope) -> bytes:
    """Return what an answer is kept under: path and query, unparsed and kept apart."""
    path = scope["path"].encode("utf-8", "surrogatepass")
    return b"%d:%b?%b" % (len(path), path, scope["query_string"])


def etag_of(key: bytes, version: str | None) -> str:
    """Return the weak ETag of an answer: weak, because meta differs with each request."""
    text = b"\n".join([REVISION.encode(), (version or EMPTY).encode(), key])
    return f'W/"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'


def is_current(scope: Scope, etag: str) -> bool:
    """Return whether the client already holds the answer (If-None-Match, RFC 9110 13.1.2)."""
    return _holds(scope, opaque_of(etag))


def _holds(scope: Scope, opaque: bytes) -> bool:
    if b"if-none-match" not in context_of(scope).headers:
        return False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            if value.removeprefix(b"W/") == opaque:
                return True
            held = {tag.strip().removeprefix(b"W/") for tag in value.split(b",")}
            if b"*" in held or opaque in held:
                return True
    return False


def kept_parts(scope: Scope, kept: CachedResponse) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body for an answer that depends on the data's version."""
    headers = list(kept.headers)
    if _holds(scope, kept.opaque):
        return 304, headers, b""
    body = with_meta(kept.body, scope)
    headers.append((b"content-length", b"%d" % len(body)))
    headers.append((b"content-type", b"application/json"))
    return 200, headers, body


class _Parts(Response):
    """A response of parts that are ready."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def answer(request: Request, kept: CachedResponse) -> Response:
    """Return the response for an answer that depends on the data's version."""
    return _Parts(*kept_parts(request.scope, kept))


def fresh_answer(request: Request, body: bytes, *, status: int = 200) -> Response:
    """Return the response for an answer that nobody may keep."""
    return Response(
        with_meta(body, request.scope),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
