"""The OpenAPI declarations of routes: their responses and query parameters."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Any

from cryptosource_api.coins.export_selection import MAX_LIMIT
from cryptosource_api.exports.formats import MEDIA_TYPES, Form
from cryptosource_api.http.parameters import Parameters, openapi_parameters
from cryptosource_api.http.problems import MEDIA_TYPE
from cryptosource_api.openapi import headers
from cryptosource_api.openapi.problem_kinds import (
    ANYWHERE,
    BUSY,
    EXPORTS,
    FORBIDDEN,
    ProblemKind,
)

Responses = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The request cannot be read, or its cursor is none of this list",
    401: "A key is needed, where the service is set to ask for one",
    403: "The key does not allow this",
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

PROBE = (FORBIDDEN, BUSY)
"""Problems that probes do not have: they need no key, and no concurrency limit applies."""


def json_responses(
    model: Any,
    *problems: ProblemKind,
    without: Collection[ProblemKind] = (),
    cached: bool = False,
    success: int = 200,
    also: tuple[str, ...] = (),
) -> Responses:
    """Return a route's `responses`.

    Args:
        model: of the successful answer; None if that is not JSON.
        problems: of this route, besides those of every route.
        without: problems of every route that this one does not have.
        cached: whether the answer has an ETag, so that 304 is possible.
        success: status of the successful answer.
        also: names of further headers of the successful answer.
    """
    rates = () if without is PROBE else headers.COUNTED
    caching = ("Revalidate", "ETag", "Vary") if cached else ("NoStore",)
    answer: dict[str, Any] = {
        "description": _describe(model),
        "headers": headers.refer(*headers.EVERY_ANSWER, *rates, *caching, *also),
    }
    if model is not None:
        answer["model"] = model
    responses: Responses = {success: answer}
    if cached:
        responses[304] = {
            "description": "What the client holds (If-None-Match) is current",
            "headers": headers.refer(*headers.EVERY_ANSWER, *rates, *caching),
        }
    # Sorted, as `groupby` needs, and so that the document is the same each time.
    kinds = sorted({*problems, *ANYWHERE} - {*without}, key=lambda kind: (kind.status, kind.word))
    for status, of_status in groupby(kinds, key=lambda kind: kind.status):
        responses[status] = _problem_response(status, list(of_status))
    return responses


def _describe(model: Any) -> str:
    """Return the description of a model's data: the first line of its docstring."""
    held = getattr(model, "__pydantic_generic_metadata__", {"args": ()})["args"]
    words = [(each.__doc__ or "").partition("\n")[0] for each in held if isinstance(each, type)]
    kind = "A list. Each entry: " if getattr(model, "__name__", "").startswith("Listing") else ""
    return f"{kind}{words[0]}" if words else "A list"


def _problem_response(status: int, kinds: list[ProblemKind]) -> dict[str, Any]:
    own = sorted({name for kind in kinds for name in kind.headers})
    examples = {kind.word: {"$ref": f"#/components/examples/{kind.word}"} for kind in kinds}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    return {
        "description": _MEANINGS[status],
        "headers": headers.refer(*headers.EVERY_ANSWER, "NoStore", *own),
        "content": {MEDIA_TYPE: content},
    }


def row_responses(model: Any, *problems: ProblemKind) -> Responses:
    """Return the `responses` of a list that has other formats than JSON too."""
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    content = {
        MEDIA_TYPES[Form.CSV][0]: {"schema": text},
        MEDIA_TYPES[Form.NDJSON][0]: {"schema": text},
        MEDIA_TYPES[Form.PARQUET][0]: {"schema": binary},
    }
    responses = json_responses(
        model, *EXPORTS, *problems, cached=True, also=("Content-Disposition",)
    )
    responses[200]["content"] = content
    return responses


def text_responses(
    description: str, *media_types: str, problems: Collection[ProblemKind] = (), **options: Any
) -> Responses:
    """Return the `responses` of a route whose answer is text."""
    responses = json_responses(None, *problems, **options)
    content = {media_type: {"schema": {"type": "string"}} for media_type in media_types}
    responses[200] |= {"description": description, "content": content}
    return responses


def query_parameters(model: type[Parameters]) -> dict[str, Any]:
    """Return a route's `openapi_extra`."""
    return {"parameters": openapi_parameters(model)}


def row_query_parameters(model: type[Parameters]) -> dict[str, Any]:
    """Return the `openapi_extra` of a list that has other formats, with no limit of a page."""
    parameters = openapi_parameters(model)
    (limit,) = (each["schema"] for each in parameters if each["name"] == "limit")
    limit["maximum"] = MAX_LIMIT
    return {"parameters": parameters}
