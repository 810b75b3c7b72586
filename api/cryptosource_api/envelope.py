"""What every answer is wrapped in: data, pagination, meta.

`data` comes from Postgres as text and is never parsed; `meta` differs with each request and is
written behind a body that may come from the cache.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cryptosource_api.cache import CachedAnswer
from cryptosource_api.context import context_of
from cryptosource_api.versions import EMPTY

REVISION = "1"
"""Goes into every ETag; raise it when the form of the answers changes."""

REVALIDATE = "no-cache"
"""Keep it, but ask each time whether it still holds."""


def list_body(data: str, pagination: dict[str, Any]) -> bytes:
    """Return a list up to where its meta goes; `data` is JSON values joined by commas."""
    return f'{{"data":[{data}],"pagination":{json.dumps(pagination)}'.encode()


def object_body(data: str) -> bytes:
    """Return one thing up to where its meta goes; `data` is a JSON value."""
    return f'{{"data":{data}'.encode()


def with_meta(body: bytes, request: Request) -> bytes:
    """Return the whole envelope."""
    context = context_of(request.scope)
    meta = {"request_id": context.request_id, "api_latency_ms": context.latency_ms()}
    return b'%b,"meta":%b}' % (body, json.dumps(meta).encode())


def etag_of(key: bytes, version: str | None) -> str:
    """Return the weak ETag of an answer: weak, because meta differs with each request."""
    text = b"\n".join([REVISION.encode(), (version or EMPTY).encode(), key])
    return f'W/"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'


def is_current(request: Request, etag: str) -> bool:
    """Return whether the client already holds the answer (If-None-Match, RFC 9110 13.1.2)."""
    sent = request.headers.get("if-none-match")
    if sent is None:
        return False
    held = {tag.strip().removeprefix("W/") for tag in sent.split(",")}
    return "*" in held or etag.removeprefix("W/") in held


def answer(request: Request, cached: CachedAnswer) -> Response:
    """Return the response for an answer that depends on the data's version."""
    headers = {"ETag": cached.etag, "Cache-Control": REVALIDATE}
    if is_current(request, cached.etag):
        return Response(status_code=304, headers=headers)
    return Response(with_meta(cached.body, request), media_type="application/json", headers=headers)


def fresh_answer(request: Request, body: bytes) -> Response:
    """Return the response for an answer that nobody may keep."""
    return Response(
        with_meta(body, request),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
