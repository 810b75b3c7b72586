"""The page's own style sheet, script and icon: read once, named by their content."""

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
FOR_A_YEAR = "public, max-age=31536000, immutable"
"""A changed file has another URL."""


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """One file."""

    content: bytes
    media_type: str
    digest: str


def _read() -> dict[str, PageFile]:
    folder = files("cryptosource_api.page").joinpath("assets")
    found = {}
    for name, media_type in _TYPES.items():
        content = folder.joinpath(name).read_bytes()
        digest = hashlib.blake2b(content, digest_size=8).hexdigest()
        found[name] = PageFile(content=content, media_type=media_type, digest=digest)
    return found


PAGE_FILES = _read()
"""By name. Read when this is imported: a package that lacks one does not start."""


def url_of(name: str) -> str:
    """Return where a file is served, for as long as it stays as it is."""
    return f"{PATH}/{name}?v={PAGE_FILES[name].digest}"


def file_response(name: str) -> Response | None:
    """Return a file; None where there is none of that name."""
    found = PAGE_FILES.get(name)
    if found is None:
        return None
    headers = {"Cache-Control": FOR_A_YEAR, "ETag": f'"{found.digest}"'}
    return Response(found.content, media_type=found.media_type, headers=headers)
