"""`/health`: for people, for liveness probes, for readiness probes."""

from __future__ import annotations

import json
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from cryptosource_api.app_state import app_state_of
from cryptosource_api.health.detailed_report import describe_process, read_detailed_health
from cryptosource_api.health.models import DetailedHealth, Health, Live, Ready
from cryptosource_api.health.queries import down, read_health, read_revision
from cryptosource_api.http.envelope import fresh_answer, object_body
from cryptosource_api.http.models import Single
from cryptosource_api.http.parameters import NoParameters, read_parameters
from cryptosource_api.http.problems import ApiProblem, Unavailable
from cryptosource_api.openapi.operations import PROBE, json_responses
from cryptosource_api.openapi.problem_kinds import INVALID_REQUEST, SCHEMA_OUTDATED

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "",
    summary="The database, and every source's last run and freshness",
    responses=json_responses(Single[Health], INVALID_REQUEST),
)
async def show_health(request: Request) -> Response:
    """Say ok, degraded (naming the sources and why) or down. Always 200: it is a report."""
    read_parameters(NoParameters, request.scope["query_string"])
    try:
        health = await app_state_of(request).reads(read_health)
    except ApiProblem as problem:
        health = down(reason_of(problem), problem.detail)
    return fresh_answer(request, object_body(json.dumps(health)))


def reason_of(problem: ApiProblem) -> str:
    """Return a problem's kind as a CamelCase reason: database-unavailable, DatabaseUnavailable."""
    words = problem.kind.rpartition(":")[2].split("-")
    return "".join(word.capitalize() for word in words)


@router.get(
    "/detailed",
    summary="Storage, partitions, pool, migrations, checkpoints and this process",
    responses=json_responses(Single[DetailedHealth], INVALID_REQUEST),
)
async def show_detailed_health(request: Request) -> Response:
    """Report storage, migrations, connections and every source in detail. Always 200: it is a report."""
    read_parameters(NoParameters, request.scope["query_string"])
    services = app_state_of(request)
    # Before the report's own query, which is added below: it counts also if it fails.
    pool = services.reads.load()
    try:
        health = await services.reads(partial(read_detailed_health, services))
    except ApiProblem as problem:
        state = down(reason_of(problem), problem.detail)
        health = {**state, "storage": None, "migrations": None}
    health["pool"] = {"size": pool.turns, "at_work": pool.at_work + 1, "waiting": pool.waiting}
    health["process"] = describe_process(started=services.started)
    return fresh_answer(request, object_body(json.dumps(health)))


@router.get(
    "/live", summary="The process runs", responses=json_responses(Single[Live], without=PROBE)
)
async def show_live(request: Request) -> Response:
    """Answer without the database: a restart does not help a process that has lost it."""
    return fresh_answer(request, object_body('{"status": "ok"}'))


@router.get(
    "/ready",
    summary="Requests can be answered: the database is there and has our schema",
    responses=json_responses(Single[Ready], SCHEMA_OUTDATED, without=PROBE),
)
async def show_ready(request: Request) -> Response:
    """Answer 503 while the database is away or its schema is not the one this version needs."""
    services = app_state_of(request)
    present = await services.reads(read_revision)
    if not services.works_on(present):
        raise Unavailable(
            "schema-outdated",
            f"The schema is at revision {present or 'none'} and must be at {services.needed_revision}; run "
            "`cryptosource migrate`",
        )
    return fresh_answer(request, object_body(json.dumps({"status": "ok", "revision": present})))
