"""`/data/stream` and `/ws`: changes as they are committed."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, WebSocket
from starlette.responses import Response

from cryptosource_api.app_state import AppState, app_state_of
from cryptosource_api.http.parameters import openapi_parameters, read_parameters
from cryptosource_api.http.problems import ApiProblem, InvalidRequest, Mistake, render
from cryptosource_api.http.request_context import context_of
from cryptosource_api.live.change_queries import ID_PATTERN, parse_position
from cryptosource_api.live.events import Filters
from cryptosource_api.live.parameters import StreamParameters
from cryptosource_api.live.sse import EventStream
from cryptosource_api.live.websocket import Conversation
from cryptosource_api.openapi.operations import text_responses
from cryptosource_api.openapi.problem_kinds import (
    BUSY,
    INVALID_REQUEST,
    SHUTTING_DOWN,
    TOO_MANY_STREAMS,
)

router = APIRouter(tags=["data"])

LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "Go on behind this event. Browsers send it by themselves.",
    "schema": {
        "type": "string",
        "pattern": ID_PATTERN,
        "examples": ["42.1795255261654321"],
    },
}


@router.get(
    "/data/stream",
    summary="Changes as they are committed, as server-sent events",
    response_class=EventStream,
    status_code=200,
    responses=text_responses(
        "Events, for as long as the client listens",
        "text/event-stream",
        problems=(INVALID_REQUEST, TOO_MANY_STREAMS, SHUTTING_DOWN),
        without=(BUSY,),
    ),
    openapi_extra={"parameters": [*openapi_parameters(StreamParameters), LAST_EVENT_ID]},
)
async def stream_data(request: Request) -> Response:
    """Tell every record that changes. Send Last-Event-ID to go on without loss.

    With `about=runs`: tell every run that begins, gets on or ends, as `/stats/runs` shows it.
    """
    parameters = read_parameters(StreamParameters, request.scope["query_string"])
    last = request.headers.get("last-event-id", parameters.last_event_id)
    if last is not None and parameters.about == "runs":
        detail = "about=runs has no place to go on from; leave it out"
        raise InvalidRequest(Mistake(parameter="Last-Event-ID", detail=detail))
    try:
        since = None if last is None else parse_position(last)
    except ValueError as error:
        raise InvalidRequest(Mistake(parameter="Last-Event-ID", detail=str(error))) from None
    return EventStream(app_state_of(request).live, Filters.of(parameters), since)


@router.websocket("/ws")
async def serve_websocket(websocket: WebSocket) -> None:
    """Send the same events over a WebSocket, to clients that subscribe by a message."""
    services = websocket.app.state.services
    assert isinstance(services, AppState)  # noqa: S101 - create_app put it there
    try:
        _check_origin(websocket)
        await services.live.enter()
    except ApiProblem as problem:
        request_id = context_of(websocket.scope).request_id
        refusal = render(problem, instance=websocket.scope["path"], request_id=request_id)
        await websocket.send_denial_response(refusal)
        return
    conversation = Conversation(services.live, websocket)
    try:
        await websocket.accept()
    except BaseException:
        services.live.leave()
        raise
    await conversation.run()


def _check_origin(websocket: WebSocket) -> None:
    """Refuse pages of other sites."""
    # Browsers let a page open a WebSocket to any site; the lack of CORS headers, which protects the
    # other routes, does not apply.
    origin = websocket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != websocket.headers.get("host"):
        raise ApiProblem(status=403, detail="Pages of another site cannot connect")
