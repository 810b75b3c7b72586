"""How routes tell OpenAPI what they take and give."""

from __future__ import annotations

from typing import Any

from cryptosource_api.models.parts import Problem
from cryptosource_api.parameters import Parameters, openapi_parameters
from cryptosource_api.problems import MEDIA_TYPE

_MEANINGS = {
    404: "There is no such thing",
    413: "The body is too large",
    414: "The URL is too long",
    422: "The parameters are not valid; `errors` names each mistake",
    500: "The service failed; the log holds why, under the request id",
    503: "Busy or without its database; see Retry-After",
}


def gives(model: Any, *problems: int, cached: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses`.

    Args:
        model: of the 200 answer.
        problems: status codes beside those that any route may end with.
        cached: the answer has an ETag, so 304 is possible.
    """
    responses: dict[int | str, dict[str, Any]] = {200: {"model": model}}
    if cached:
        responses[304] = {"description": "What the client holds (If-None-Match) is current"}
    schema = {"$ref": "#/components/schemas/Problem"}
    for status in sorted({*problems, 413, 414, 500}):
        content = {MEDIA_TYPE: {"schema": schema}}
        responses[status] = {"description": _MEANINGS[status], "content": content}
    return responses


def takes(model: type[Parameters]) -> dict[str, Any]:
    """Return a route's `openapi_extra`."""
    return {"parameters": openapi_parameters(model)}


PROBLEM_SCHEMA = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
