"""How routes tell OpenAPI what they take and give."""

from __future__ import annotations

from typing import Any

from cryptosource_api.exports.forms import MEDIA_TYPES, Form
from cryptosource_api.models.parts import Problem
from cryptosource_api.parameters import Parameters, openapi_parameters
from cryptosource_api.problems import MEDIA_TYPE

_MEANINGS = {
    401: "A key is needed, where the service is set to ask for one",
    403: "The key does not allow this",
    400: "The request cannot be read, or its cursor is none of this list",
    404: "There is no such thing",
    406: "There is no such form, or it is not installed",
    408: "The request did not arrive in time",
    409: "It cannot be done as things are; the detail says what to change",
    413: "The body is too large",
    414: "The URL is too long",
    415: "The body is of another media type",
    422: "The parameters are not valid; `errors` names each mistake",
    429: "Asked for too often; see Retry-After",
    431: "The request's head is too long",
    500: "The service failed; the log holds why, under the request id",
    503: "Busy or without its database; see Retry-After",
}

ANY_ROUTE = (400, 401, 403, 408, 413, 414, 429, 431, 500, 503)
"""What any route may end with."""


def gives(
    model: Any, *problems: int, cached: bool = False, success: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses`.

    Args:
        model: of the answer when all went well.
        problems: status codes beside those that any route may end with.
        cached: the answer has an ETag, so 304 is possible.
        success: status of that answer.
    """
    responses: dict[int | str, dict[str, Any]] = {success: {"model": model}}
    if cached:
        responses[304] = {"description": "What the client holds (If-None-Match) is current"}
    schema = {"$ref": "#/components/schemas/Problem"}
    for status in sorted({*problems, *ANY_ROUTE}):
        content = {MEDIA_TYPE: {"schema": schema}}
        responses[status] = {"description": _MEANINGS[status], "content": content}
    return responses


def exportable(responses: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """Return a list's `responses` with the other forms that it comes in."""
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    content = {
        MEDIA_TYPES[Form.CSV][0]: {"schema": text},
        MEDIA_TYPES[Form.NDJSON][0]: {"schema": text},
        MEDIA_TYPES[Form.PARQUET][0]: {"schema": binary},
    }
    return {**responses, 200: {**responses[200], "content": content}}


def gives_events(*problems: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that streams server-sent events."""
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    events = {"description": "Events, for as long as the client listens", "content": content}
    return {**gives(None, *problems), 200: events}


def takes(model: type[Parameters]) -> dict[str, Any]:
    """Return a route's `openapi_extra`."""
    return {"parameters": openapi_parameters(model)}


PROBLEM_SCHEMA = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
