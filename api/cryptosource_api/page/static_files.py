"""The pages' style sheet, script and icon: read once, and named by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from starlette.responses import Response

PATH = "/page"
_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
CACHE_CONTROL = "public, max-age=31536000, immutable"
"""Cached without revalidation: a file that changes gets another URL."""


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """One file."""

    content: bytes
    media_type: str
    digest: str


def _read_files() -> dict[str, PageFile]:
    folder = files("cryptosource_api.page").joinpath("assets")
    result = {}
    for name, media_type in _TYPES.items():
        content = folder.joinpath(name).read_bytes()
        # Part of the URL, so that a changed file is fetched although clients cache for a year.
        digest = hashlib.blake2b(content, digest_size=8).hexdigest()
        result[name] = PageFile(content=content, media_type=media_type, digest=digest)
    return result


PAGE_FILES = _read_files()
"""By name. Read on import, so that an image that lacks one does not start."""


def url_of(name: str) -> str:
    """Return the URL of a file in its present version."""
    return f"{PATH}/{name}?v={PAGE_FILES[name].digest}"


def file_response(name: str) -> Response | None:
    """Return the response with a file; None if there is none of that name."""
    found = PAGE_FILES.get(name)
    if found is None:
        return None
    headers = {"Cache-Control": CACHE_CONTROL, "ETag": f'"{found.digest}"'}
    return Response(found.content, media_type=found.media_type, headers=headers)
