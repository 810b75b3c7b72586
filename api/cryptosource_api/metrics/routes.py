"""`/metrics`: for Prometheus."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from cryptosource_api.app_state import AppState, app_state_of
from cryptosource_api.metrics.database_snapshot import DatabaseSnapshot
from cryptosource_api.metrics.exposition import render_families
from cryptosource_api.metrics.families import families
from cryptosource_api.openapi.operations import text_responses

router = APIRouter(tags=["health"])

OPENMETRICS_END = b"# EOF\n"


@router.get(
    "/metrics",
    summary="Metrics of requests, sources and runs, for Prometheus",
    response_class=Response,
    responses=text_responses("The metrics", "text/plain", "application/openmetrics-text"),
)
async def show_metrics(request: Request) -> Response:
    """Answer in the text format, or if Accept asks for it as OpenMetrics with exemplars."""
    services = app_state_of(request)
    snapshot = await services.readings.current()
    accept = request.headers.get("accept", "")
    # On a thread: the lines of a thousand sources would hold up the loop.
    body, content_type = await anyio.to_thread.run_sync(_render_metrics, services, snapshot, accept)
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def _render_metrics(
    services: AppState, snapshot: DatabaseSnapshot | None, accept: str
) -> tuple[bytes, str]:
    """Return the metrics of this process followed by those of the database, and the media type."""
    encode, content_type = choose_encoder(accept)
    own = encode(services.requests.registry)
    openmetrics = own.endswith(OPENMETRICS_END)
    rest = render_families(families(snapshot), openmetrics=openmetrics)
    if openmetrics:
        return own.removesuffix(OPENMETRICS_END) + rest + OPENMETRICS_END, content_type
    return own + rest, content_type
