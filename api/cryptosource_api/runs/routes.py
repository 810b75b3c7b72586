"""`/stats`: runs and their totals. Never cached: runs go on while the data stands still."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cryptosource_api.app_state import app_state_of
from cryptosource_api.http.models import Listing, Single
from cryptosource_api.http.parameters import NoParameters, read_parameters
from cryptosource_api.openapi.operations import json_responses, query_parameters
from cryptosource_api.openapi.problem_kinds import (
    DIFFERENT_SOURCES,
    INVALID_CURSOR,
    NOT_FOUND,
    QUERIES,
)
from cryptosource_api.runs.anomalies import Anomalies, AnomaliesParameters, read_anomalies
from cryptosource_api.runs.comparison import CompareParameters, Comparison, read_comparison
from cryptosource_api.runs.models import Run, RunDetail, Stats
from cryptosource_api.runs.performance import (
    DriftEntry,
    DriftParameters,
    Performance,
    PerformanceParameters,
    read_drifts,
    read_performance,
)
from cryptosource_api.runs.queries import RunsParameters, read_run, read_runs, read_stats

router = APIRouter(prefix="/stats", tags=["stats"])


@router.get(
    "",
    summary="Runs, records, checkpoints, drifts and quarantine of every source",
    responses=json_responses(Single[Stats], *QUERIES),
)
async def show_stats(request: Request) -> Response:
    """Count runs and records by outcome, in all and of each source."""
    read_parameters(NoParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(request, read_stats)


@router.get(
    "/runs",
    summary="Runs, newest first",
    responses=json_responses(Listing[Run], INVALID_CURSOR, *QUERIES),
    openapi_extra=query_parameters(RunsParameters),
)
async def list_runs(request: Request) -> Response:
    """Filter and page through the history of runs."""
    parameters = read_parameters(RunsParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(
        request, partial(read_runs, parameters=parameters)
    )


@router.get(
    "/runs/{run_id}",
    summary="One run, with what it rejected and the drifts it saw",
    responses=json_responses(Single[RunDetail], NOT_FOUND, *QUERIES),
)
async def show_run(
    request: Request,
    run_id: Annotated[
        str,
        Path(
            description="The run's UUID",
            examples=["aea821a7-5daf-2b28-ef63-b510c9570a0b"],
            json_schema_extra={"format": "uuid"},
        ),
    ],
) -> Response:
    """Show one run: its figures, the records it rejected last, and the drifts it saw."""
    read_parameters(NoParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(request, partial(read_run, run_id=run_id))


@router.get(
    "/performance",
    summary="Runs, success rate, durations and throughput, by source and hour or day",
    responses=json_responses(Listing[Performance], INVALID_CURSOR, *QUERIES),
    openapi_extra=query_parameters(PerformanceParameters),
)
async def list_performance(request: Request) -> Response:
    """Put runs together by the UTC hour or day they started in. Every source has every bucket."""
    parameters = read_parameters(PerformanceParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(
        request, partial(read_performance, parameters=parameters)
    )


@router.get(
    "/drift",
    summary="What changed in the shape of upstreams, when, and what was done, newest first",
    responses=json_responses(Listing[DriftEntry], INVALID_CURSOR, *QUERIES),
    openapi_extra=query_parameters(DriftParameters),
)
async def list_drifts(request: Request) -> Response:
    """Filter and page through the fields that appeared, vanished or changed their type."""
    parameters = read_parameters(DriftParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(
        request, partial(read_drifts, parameters=parameters)
    )


@router.get(
    "/anomalies",
    summary="Runs and prices that stand out, with evidence and thresholds",
    responses=json_responses(Single[Anomalies], *QUERIES),
    openapi_extra=query_parameters(AnomaliesParameters),
)
async def show_anomalies(request: Request) -> Response:
    """Judge runs by their source's other runs, and prices by their own history and each other."""
    parameters = read_parameters(AnomaliesParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(
        request, partial(read_anomalies, parameters=parameters)
    )


@router.get(
    "/compare",
    summary="Two runs of one source side by side, and what changed between them",
    responses=json_responses(Single[Comparison], NOT_FOUND, DIFFERENT_SOURCES, *QUERIES),
    openapi_extra=query_parameters(CompareParameters),
)
async def compare_runs(request: Request) -> Response:
    """Compare figures, reject reasons, and the coins that the upstream listed."""
    parameters = read_parameters(CompareParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(
        request, partial(read_comparison, parameters=parameters)
    )
