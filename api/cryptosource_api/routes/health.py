"""`/health`: for people, for liveness probes, for readiness probes."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from cryptosource_api.envelope import fresh_answer, object_body
from cryptosource_api.models.health import Health, Live, Ready
from cryptosource_api.models.parts import Single
from cryptosource_api.parameters import NoParameters, read_parameters
from cryptosource_api.problems import ApiProblem, Unavailable
from cryptosource_api.queries.health import down, read_health, read_revision
from cryptosource_api.routes.declaring import gives
from cryptosource_api.services import services_of

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "",
    summary="The database, and every source's last run and freshness",
    responses=gives(Single[Health], 422),
)
async def show_health(request: Request) -> Response:
    """Say ok, degraded (naming the sources and why) or down. Always 200: it is a report."""
    read_parameters(NoParameters, request.scope["query_string"])
    try:
        health = await services_of(request).reads(read_health)
    except ApiProblem as problem:
        health = down(reason_of(problem), problem.detail)
    return fresh_answer(request, object_body(json.dumps(health)))


def reason_of(problem: ApiProblem) -> str:
    """Return a problem's kind as a CamelCase reason: database-unavailable, DatabaseUnavailable."""
    words = problem.kind.rpartition(":")[2].split("-")
    return "".join(word.capitalize() for word in words)


@router.get("/live", summary="The process runs", responses=gives(Single[Live]))
async def show_live(request: Request) -> Response:
    """Answer without asking anybody: a probe must not restart what only lost its database."""
    return fresh_answer(request, object_body('{"status": "ok"}'))


@router.get(
    "/ready",
    summary="Requests can be answered: the database is there and has our schema",
    responses=gives(Single[Ready], 503),
)
async def show_ready(request: Request) -> Response:
    """Answer 503 while the database is away or its schema is not the one this version needs."""
    services = services_of(request)
    present = await services.reads(read_revision)
    if not services.works_on(present):
        raise Unavailable(
            "schema-outdated",
            f"The schema is at revision {present or 'none'} and must be at {services.needed_revision}; run "
            "`cryptosource migrate`",
        )
    return fresh_answer(request, object_body(json.dumps({"status": "ok", "revision": present})))
