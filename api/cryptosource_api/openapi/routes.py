"""`/docs` and `/redoc` with scripts of our own, so that they work without internet.

The scripts come from the wheel `fastapi-offline`, of which only the files are used.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

ASSETS = "/docs/assets"
CDN = "https://cdn.jsdelivr.net/npm"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def assets_folder() -> Path | None:
    """Return the folder of the scripts; None if the wheel is not installed."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "static"
    return folder if folder.is_dir() else None


def content_policy(html: str, *, scripts_from: str) -> str:
    """Return a content security policy that allows the page's own scripts and nothing else.

    Args:
        html: the page, whose inline scripts are allowed by their hashes.
        scripts_from: the origin of its other scripts and its styles.
    """
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE_SCRIPT.findall(html)
    ]
    scripts = " ".join([scripts_from, *(f"'sha256-{each}'" for each in hashes)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src {scripts_from} 'unsafe-inline'; "
        # Both pages set style attributes, and ReDoc searches in a worker made from a blob.
        "img-src 'self' data:; connect-src 'self'; worker-src blob:; frame-ancestors 'none'"
    )


def _swagger_html(app: FastAPI, *, local: bool) -> str:
    base = ASSETS if local else f"{CDN}/swagger-ui-dist@5"
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url or "",
        title=app.title,
        swagger_js_url=f"{base}/swagger-ui-bundle.js",
        swagger_css_url=f"{base}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    )
    return bytes(page.body).decode()


def _redoc_html(app: FastAPI, *, local: bool) -> str:
    base = ASSETS if local else f"{CDN}/redoc@2/bundles"
    page = get_redoc_html(
        openapi_url=app.openapi_url or "",
        title=app.title,
        redoc_js_url=f"{base}/redoc.standalone.js",
        redoc_favicon_url=f"{ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return bytes(page.body).decode()


def add_docs(app: FastAPI) -> None:
    """Add the pages, with our copies of the scripts, or the CDN's if those are not installed."""
    folder = assets_folder()
    local = folder is not None
    origin = "'self'" if local else CDN
    if folder is not None:
        app.mount(ASSETS, StaticFiles(directory=folder), name="docs-assets")
    pages = {"/docs": _swagger_html(app, local=local), "/redoc": _redoc_html(app, local=local)}
    for path, html in pages.items():
        app.add_route(path, _page(html, origin), include_in_schema=False)


def _page(html: str, origin: str) -> Callable[[Request], Awaitable[Response]]:
    headers = {"Content-Security-Policy": content_policy(html, scripts_from=origin)}

    async def show(_: Request) -> Response:
        return HTMLResponse(html, headers=headers)

    return show
