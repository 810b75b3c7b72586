"""`/`: what there is to ask for."""

from __future__ import annotations

import json
from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import Response

from cryptosource_api.envelope import fresh_answer, object_body
from cryptosource_api.models.health import Index
from cryptosource_api.models.parts import Single
from cryptosource_api.routes.declaring import gives

router = APIRouter(tags=["index"])


@router.get("/", summary="What there is to ask for", responses=gives(Single[Index]))
async def show_index(request: Request) -> Response:
    """List the routes."""
    paths = request.app.openapi()["paths"]
    routes = [
        {"path": path, "summary": operations["get"]["summary"]}
        for path, operations in sorted(paths.items())
    ]
    docs = [
        {"path": path, "summary": summary}
        for path, summary in (
            ("/docs", "Interactive documentation"),
            ("/redoc", "Documentation to read"),
            ("/openapi.json", "OpenAPI description"),
        )
    ]
    index = {"name": "CryptoSource", "version": version("cryptosource"), "routes": routes + docs}
    return fresh_answer(request, object_body(json.dumps(index)))
