"""`/trigger-etl`: requests for runs. The operator, or `cryptosource up`, starts the runs."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cryptosource_api.app_state import app_state_of
from cryptosource_api.http.access import identity_of
from cryptosource_api.http.envelope import fresh_answer
from cryptosource_api.http.models import Single
from cryptosource_api.http.parameters import NoParameters, read_parameters
from cryptosource_api.openapi.operations import json_responses
from cryptosource_api.openapi.problem_kinds import (
    KEY_REUSED,
    NOT_FOUND,
    QUERIES,
    SUSPENDED,
    TOO_MANY_TRIGGERS,
    WRONG_MEDIA_TYPE,
)
from cryptosource_api.tracing.request_tracing import traceparent_of
from cryptosource_api.triggers.models import PlacedRequest, RunRequest, TriggerBody
from cryptosource_api.triggers.queries import (
    ANONYMOUS,
    KEY_HEADER,
    Trigger,
    caller_of,
    place,
    read_body,
    read_key,
    read_request,
)

router = APIRouter(prefix="/trigger-etl", tags=["triggers"])

# By hand: the function takes the request alone, from which FastAPI cannot tell the body.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": TriggerBody.model_json_schema()}},
    },
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": False,
            "description": "Sent again within 24 hours by the same caller with the same body, it "
            "gets the same answer, and no second run.",
            "schema": {
                "type": "string",
                "pattern": "^[!-~]{1,255}$",
                "examples": ["2026-11-21-nightly"],
            },
        }
    ],
}


@router.post(
    "",
    status_code=202,
    summary="Ask for a run of one source, or of all",
    responses=json_responses(
        Single[PlacedRequest],
        NOT_FOUND,
        SUSPENDED,
        WRONG_MEDIA_TYPE,
        KEY_REUSED,
        TOO_MANY_TRIGGERS,
        *QUERIES,
        success=202,
        also=("Location", "Idempotent-Replayed"),
    ),
    openapi_extra=BODY,
)
async def trigger(request: Request) -> Response:
    """Place a request. `Location` is the path of its state."""
    read_parameters(NoParameters, request.scope["query_string"])
    identity = identity_of(request.scope)
    run_trigger = Trigger(
        wanted=read_body(await request.body(), request.headers.get("content-type")),
        key=read_key(request.headers.getlist(KEY_HEADER)),
        caller=caller_of(identity),
        requested_by=identity.name if identity else ANONYMOUS,
        traceparent=traceparent_of(request.scope) or None,
    )
    placed = await app_state_of(request).reads.write(partial(place, trigger=run_trigger))
    response = fresh_answer(request, placed.body, status=202)
    response.headers["Location"] = f"/trigger-etl/{placed.request_id}"
    if placed.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@router.get(
    "/{request_id}",
    summary="The state of a request for runs",
    responses=json_responses(Single[RunRequest], NOT_FOUND, *QUERIES),
)
async def show_request(
    request: Request,
    request_id: Annotated[
        str,
        Path(
            description="The request's UUID",
            examples=["e39a0777-71c6-4b12-a57b-61af75c461eb"],
            json_schema_extra={"format": "uuid"},
        ),
    ],
) -> Response:
    """Show one request: the process that took it up, and its runs."""
    read_parameters(NoParameters, request.scope["query_string"])
    return await app_state_of(request).answer_fresh(
        request, partial(read_request, request_id=request_id)
    )
