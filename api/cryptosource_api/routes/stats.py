"""`/stats`: runs and their totals. Never cached: runs go on while the data stands still."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cryptosource_api.envelope import fresh_answer
from cryptosource_api.models.parts import Listing, Single
from cryptosource_api.models.runs import Run, RunDetail, Stats
from cryptosource_api.parameters import NoParameters, read_parameters
from cryptosource_api.queries.runs import RunsParameters, read_run, read_runs, read_stats
from cryptosource_api.routes.declaring import gives, takes
from cryptosource_api.services import services_of

router = APIRouter(prefix="/stats", tags=["stats"])


@router.get(
    "",
    summary="Runs, records, checkpoints, drifts and quarantine of every source",
    responses=gives(Single[Stats], 422, 503),
)
async def show_stats(request: Request) -> Response:
    """Count everything that ran."""
    read_parameters(NoParameters, request.scope["query_string"])
    found = await services_of(request).reads(read_stats)
    return fresh_answer(request, found.body)


@router.get(
    "/runs",
    summary="Runs, newest first",
    responses=gives(Listing[Run], 422, 503),
    openapi_extra=takes(RunsParameters),
)
async def list_runs(request: Request) -> Response:
    """Filter and page through the history of runs."""
    parameters = read_parameters(RunsParameters, request.scope["query_string"])
    found = await services_of(request).reads(partial(read_runs, parameters=parameters))
    return fresh_answer(request, found.body)


@router.get(
    "/runs/{run_id}",
    summary="One run, with what it rejected and the drifts it saw",
    responses=gives(Single[RunDetail], 404, 422, 503),
)
async def show_run(
    request: Request, run_id: Annotated[str, Path(description="The run's UUID")]
) -> Response:
    """Show one run."""
    read_parameters(NoParameters, request.scope["query_string"])
    found = await services_of(request).reads(partial(read_run, run_id=run_id))
    return fresh_answer(request, found.body)
