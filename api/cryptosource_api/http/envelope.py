"""The envelope of answers: data, pagination, meta.

`data` comes from Postgres as JSON text and is not parsed. `meta` differs for each request, so it is
appended to a body that may come from the cache.
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
"""Part of every ETag; raise it when the format of the answers changes."""


def list_body(data: str, pagination: dict[str, Any]) -> bytes:
    """Return a list's body without its end, the meta; `data` is JSON values joined by commas."""
    return b'{"data":[%b],"pagination":%b' % (data.encode(), to_json(pagination))


def object_body(data: str) -> bytes:
    """Return an object's body without its end, the meta; `data` is a JSON value."""
    return f'{{"data":{data}'.encode()


def with_meta(body: bytes, scope: Scope) -> bytes:
    """Return the whole envelope of a body without meta."""
    context = context_of(scope)
    # The request id needs no JSON escaping: it was generated, or matched the pattern of ids.
    return b'%b,"meta":{"request_id":"%b","api_latency_ms":%.3f}}' % (
        body,
        context.request_id.encode("ascii"),
        context.seconds() * 1000,
    )


def key_of(scope: Scope) -> bytes:
    """Return the cache key of a request: its path and query, as sent."""
    # With the path's length: a decoded path may contain a question mark.
    path = scope["path"].encode("utf-8", "surrogatepass")
    return b"%d:%b?%b" % (len(path), path, scope["query_string"])


def etag_of(key: bytes, version: str | None) -> str:
    """Return the ETag of an answer; a weak one, because meta differs for each request."""
    text = b"\n".join([REVISION.encode(), (version or EMPTY).encode(), key])
    return f'W/"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'


def is_current(scope: Scope, etag: str) -> bool:
    """Return whether the client holds this answer already (If-None-Match, RFC 9110 13.1.2)."""
    return _client_holds(scope, opaque_of(etag))


def _client_holds(scope: Scope, opaque: bytes) -> bool:
    if b"if-none-match" not in context_of(scope).headers:
        return False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            # The usual case, a single tag, without splitting.
            if value.removeprefix(b"W/") == opaque:
                return True
            held = {tag.strip().removeprefix(b"W/") for tag in value.split(b",")}
            if b"*" in held or opaque in held:
                return True
    return False


def cached_parts(
    scope: Scope, cached: CachedResponse
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of the response from a cached answer."""
    headers = list(cached.headers)
    if _client_holds(scope, cached.opaque):
        return 304, headers, b""
    body = with_meta(cached.body, scope)
    headers.append((b"content-length", b"%d" % len(body)))
    headers.append((b"content-type", b"application/json"))
    return 200, headers, body


class _RawResponse(Response):
    """A response from a status, headers and body that are complete."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def answer(request: Request, cached: CachedResponse) -> Response:
    """Return the response from a cached answer."""
    return _RawResponse(*cached_parts(request.scope, cached))


def fresh_answer(request: Request, body: bytes, *, status: int = 200) -> Response:
    """Return the response from an answer that must not be cached."""
    return Response(
        with_meta(body, request.scope),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
