"""The OpenAPI document: FastAPI's, completed with examples, problems and keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cryptosource_api.http.access import needed_scopes
from cryptosource_api.http.models import Problem
from cryptosource_api.http.problems import MEDIA_TYPE
from cryptosource_api.openapi import problem_kinds
from cryptosource_api.openapi.headers import HEADERS

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request and its answer, recorded from a running service and shortened.

    `answers/` has a file of cases for each operation; tests validate them by the models.
    """

    request: str
    """As a client writes it: the path and the query."""
    answer: Any
    media_type: str = JSON
    body: Any = None
    """The body of the request, if it has one."""


@cache
def cases_of(operation: str) -> tuple[Case, ...]:
    """Return the cases of an operation."""
    recorded = files(__package__).joinpath("answers", f"{operation}.json")
    return tuple(Case(**case) for case in json.loads(recorded.read_text("utf-8")))


DESCRIPTION = """Crypto market data out of Postgres, one record a coin across sources.

Amounts are JSON numbers with all their digits; read them as decimals. Times are UTC. Unknown is
null, never 0. Errors are `application/problem+json` (RFC 9457), each with its type; the examples
of a status say when it comes and what to do. HEAD works wherever GET does."""

TAGS = {
    "index": "What there is.",
    "data": "Coins across sources, their history, exports and changes as they happen.",
    "health": "Whether it works, for people, probes and Prometheus.",
    "stats": "Runs, their totals, and what stands out.",
    "triggers": "Asking for a run now.",
}


class Description:
    """Builds an application's OpenAPI document, once.

    Args:
        app: the application.
        needs_keys: whether requests need keys, so that operations declare their scopes.
    """

    def __init__(self, app: FastAPI, *, needs_keys: bool) -> None:
        self._app = app
        self._needs_keys = needs_keys
        self._schema: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        """Return the document."""
        if self._schema is None:
            app = self._app
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=DESCRIPTION,
                routes=app.routes,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
                tags=[{"name": name, "description": text} for name, text in TAGS.items()],
            )
            _add_components(schema)
            for operation in _operations(schema):
                _add_cases(operation)
                _share_problems(operation, schema["components"])
            if self._needs_keys:
                _declare_keys(schema)
            self._schema = schema
        return self._schema


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _add_components(schema: dict[str, Any]) -> None:
    """Add the components that our responses refer to, and drop FastAPI's errors."""
    components = schema["components"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"].update(problem.pop("$defs", {}))
    components["schemas"]["Problem"] = problem
    # Our handler answers mistakes as problems, so these are never sent.
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["headers"] = HEADERS
    components["examples"] = {kind.word: kind.example() for kind in problem_kinds.ALL}


def _add_cases(operation: dict[str, Any]) -> None:
    """Add recorded requests and answers as examples."""
    for number, case in enumerate(cases_of(operation["operationId"]), start=1):
        success = next(status for status in operation["responses"] if status.startswith("2"))
        content = operation["responses"][success]["content"][case.media_type]
        example = {"summary": case.request, "value": case.answer}
        content.setdefault("examples", {})[f"answer-{number}"] = example
        if case.body is not None:
            operation["requestBody"]["content"][JSON]["example"] = case.body


def _share_problems(operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Move a response with a single problem to the components, where all operations share it."""
    shared = components.setdefault("responses", {})
    for status, response in operation["responses"].items():
        examples = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
        if len(examples) == 1:
            (word,) = examples
            shared[word] = response
            operation["responses"][status] = {"$ref": f"#/components/responses/{word}"}


def _declare_keys(schema: dict[str, Any]) -> None:
    """Declare the scopes of each operation."""
    # OpenAPI 3.1 allows scopes for every kind of security scheme, not for OAuth alone.
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            scopes = sorted(needed_scopes(method.upper(), path))
            if scopes:
                operation["security"] = [
                    {scheme: [scope]} for scope in scopes for scheme in ("bearer", "header")
                ]
