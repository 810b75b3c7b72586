"""The headers that answers carry, as OpenAPI components."""

from __future__ import annotations

from typing import Any


def _header(description: str, example: str | int) -> dict[str, Any]:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS = {
    "X-Request-ID": _header(
        "Id of the request in the log; the one that you sent, if it is valid.",
        "57900aa6ffc2f851aee48ddce24e93c2",
    ),
    "RateLimit": _header(
        "What is left (`r`) and in how many seconds the bucket is empty (`t`); absent where no "
        "rate is set.",
        '"address";r=5999;t=1',
    ),
    "RateLimit-Policy": _header(
        "Requests (`q`) allowed in a window of seconds (`w`), for each address or key.",
        '"address";q=6000;w=60',
    ),
    "Retry-After": _header("Seconds to wait before asking again.", 2),
    "WWW-Authenticate": _header("How to authenticate.", 'Bearer realm="cryptosource"'),
    "Allow": _header("The allowed methods.", "GET, HEAD"),
    "ETag": _header(
        "Names the data's version in this answer; send it back as If-None-Match.",
        'W/"14e10bc8518aed8d455c5ba5"',
    ),
    "NoStore": _header("The answer must not be cached.", "no-store"),
    "Revalidate": _header("A cached answer must be revalidated each time.", "no-cache"),
    "Vary": _header("The format depends on it.", "Accept"),
    "Location": _header(
        "Path of the request's state.",
        "/trigger-etl/e39a0777-71c6-4b12-a57b-61af75c461eb",
    ),
    "Idempotent-Replayed": _header(
        "`true` where this is the stored answer to the same key and body.", "true"
    ),
    "Content-Disposition": _header(
        "The file's name, of CSV, NDJSON and Parquet.", 'attachment; filename="coins.csv"'
    ),
}

CACHE_CONTROL = {"NoStore": "Cache-Control", "Revalidate": "Cache-Control"}
"""Component -> header it describes, where one header has several descriptions."""
EVERY_ANSWER = ("X-Request-ID",)
COUNTED = ("RateLimit", "RateLimit-Policy")


def refer(*names: str) -> dict[str, Any]:
    """Return the `headers` of a response."""
    return {
        CACHE_CONTROL.get(name, name): {"$ref": f"#/components/headers/{name}"} for name in names
    }
