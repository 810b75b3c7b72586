"""`/`: the list of routes; for a browser, the page with all sources."""

from __future__ import annotations

import json
from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import Response

from cryptosource_api.health.models import Index
from cryptosource_api.http.accept import prefers_html
from cryptosource_api.http.envelope import fresh_answer, object_body
from cryptosource_api.http.models import Single
from cryptosource_api.openapi.operations import json_responses
from cryptosource_api.page.routes import show_overview

router = APIRouter(tags=["index"])

PAGES = (("/coins", "Coins, for people"), ("/runs", "Runs, for people"))
DOCS = (
    ("/docs", "Interactive documentation"),
    ("/redoc", "Documentation to read"),
    ("/openapi.json", "OpenAPI description"),
)
"""Listed unless documentation is switched off."""

_RESPONSES = json_responses(Single[Index], also=("Vary",))
_RESPONSES[200]["content"] = {"text/html": {"schema": {"type": "string"}}}


@router.get("/", summary="What there is to ask for", responses=_RESPONSES)
async def show_index(request: Request) -> Response:
    """List the routes. Clients that would rather have HTML get the page for people instead."""
    if prefers_html(request.headers.get("accept")):
        return await show_overview(request)
    paths = request.app.openapi()["paths"]
    routes = [
        {"path": path, "summary": next(iter(operations.values()))["summary"]}
        for path, operations in sorted(paths.items())
    ]
    shown = PAGES + (DOCS if request.app.openapi_url else ())
    routes += [{"path": path, "summary": summary} for path, summary in shown]
    index = {"name": "CryptoSource", "version": version("cryptosource"), "routes": routes}
    answer = fresh_answer(request, object_body(json.dumps(index)))
    answer.headers["Vary"] = "Accept"
    return answer
