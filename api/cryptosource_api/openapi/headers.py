"""The headers that answers carry, as OpenAPI components."""

from __future__ import annotations

from typing import Any


def _header(description: str, example: str | int) -> dict[str, Any]:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS = {
    "X-Request-ID": _header(
        "Names the request in the log; yours, if you sent a usable one.",
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
    "WWW-Authenticate": _header("How to prove who asks.", 'Bearer realm="cryptosource"'),
    "Allow": _header("The methods that there are.", "GET, HEAD"),
    "ETag": _header(
        "Names the data's version in this answer; send it back as If-None-Match.",
        'W/"14e10bc8518aed8d455c5ba5"',
    ),
    "NoStore": _header("Nobody may keep the answer.", "no-store"),
    "Revalidate": _header("Keep it, and ask each time whether it still holds.", "no-cache"),
    "Vary": _header("The form depends on it.", "Accept"),
    "Location": _header(
        "Where to look for what becomes of the request.",
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
