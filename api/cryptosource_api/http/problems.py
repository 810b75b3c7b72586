"""Errors as `application/problem+json` (RFC 9457), without internals of the service.

ApiProblem
├── InvalidRequest      422, with one entry in `errors` per mistake
├── InvalidCursor       400
├── NotFound            404
└── Unavailable         503, with Retry-After
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.responses import Response

logger = logging.getLogger("cryptosource.api")

MEDIA_TYPE = "application/problem+json"
URN = "urn:cryptosource:problem:"
RETRY_AFTER_SECONDS = 2

PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
"""Status codes of errors by RFC 9110 and RFC 6585, which `HTTPStatus` follows only from
Python 3.13 on: clients get the same title whatever runs the service."""

QUERY_CANCELED = "57014"
UNDEFINED = ("42P01", "42703", "3F000")
"""SQLSTATEs of a missing table, column or schema: the database is not migrated yet."""


def phrase(status: int) -> str:
    """Return the name of an error's status code; an unknown one is called as the x00 of its class.

    RFC 9110, section 15, has clients treat it so too.
    """
    return PHRASES.get(status) or PHRASES[status // 100 * 100]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake in a request."""

    parameter: str
    """The query or path parameter, or member of the body, that is wrong."""
    detail: str


@dataclass(kw_only=True)
class ApiProblem(Exception):
    """A request that cannot be answered. `detail` is shown to the caller."""

    status: int
    detail: str
    kind: str = "about:blank"
    """The RFC's `type`: `URN` followed by a word, or about:blank."""
    title: str = ""
    """By default the status code's `phrase`."""
    errors: Sequence[Mistake] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, *, instance: str, request_id: str) -> dict[str, Any]:
        """Return the members of the problem document."""
        members: dict[str, Any] = {
            "type": self.kind,
            "title": self.title or phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "request_id": request_id,
        }
        if self.errors:
            members["errors"] = [
                {"parameter": error.parameter, "detail": error.detail} for error in self.errors
            ]
        return members


class InvalidRequest(ApiProblem):
    """The request's parameters are invalid."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(
            status=422,
            detail="; ".join(f"{each.parameter}: {each.detail}" for each in mistakes),
            kind=f"{URN}invalid-request",
            title="The request's parameters are not valid",
            errors=mistakes,
        )


class InvalidCursor(ApiProblem):
    """The cursor does not belong to this list."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            status=400,
            detail=f"cursor: {detail}",
            kind=f"{URN}invalid-cursor",
            title="The cursor cannot be followed",
        )


class NotFound(ApiProblem):
    """The requested thing does not exist."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            status=404, detail=detail, kind=f"{URN}not-found", title="There is no such thing"
        )


class Unavailable(ApiProblem):
    """The service cannot answer now; a later request may succeed."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(
            status=503,
            detail=detail,
            kind=f"{URN}{reason}",
            title="The service cannot answer now",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


def pool_exhausted() -> Unavailable:
    """Return the problem of a request that got no database connection in time."""
    return Unavailable("pool-exhausted", "Every database connection is busy; try again shortly")


def statement_timeout() -> Unavailable:
    """Return the problem of a statement that exceeded its time limit."""
    return Unavailable(
        "statement-timeout", "The query took too long; narrow it, or try again shortly"
    )


def from_database(error: Exception) -> ApiProblem | None:
    """Return the problem for an error of the database; None if the error is a defect of ours."""
    if isinstance(error, PoolTimeoutError):
        return pool_exhausted()
    state = getattr(getattr(error, "orig", None), "pgcode", None)
    if state == QUERY_CANCELED:
        return statement_timeout()
    if isinstance(error, ProgrammingError) and state in UNDEFINED:
        return Unavailable(
            "schema-outdated", "The database's schema is not ready; run `cryptosource migrate`"
        )
    away = isinstance(error, OperationalError | InterfaceError)
    if away or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Unavailable(
            "database-unavailable", "The database cannot be reached; try again shortly"
        )
    return None


@contextmanager
def database_problems(message: str) -> Iterator[None]:
    """Turn errors of the database into problems, and log them.

    Args:
        message: of the log line, which also has the cause.

    Raises:
        ApiProblem: see `from_database`; an error that is a defect of ours is raised unchanged.
    """
    try:
        yield
    except SQLAlchemyError as error:
        problem = from_database(error)
        if problem is None:
            raise
        # The first line alone: in the lines that follow Postgres may quote values.
        cause = str(getattr(error, "orig", None) or error).partition("\n")[0]
        logger.warning(message, extra={"problem": problem.kind, "cause": cause})
        raise problem from error


def internal_error() -> ApiProblem:
    """Return the problem of an unexpected error. Its details are only logged."""
    return ApiProblem(
        status=500,
        detail="An unexpected error occurred; the log holds it under this request_id",
        kind=f"{URN}internal-error",
        title="The service failed",
    )


def render(problem: ApiProblem, *, instance: str, request_id: str) -> Response:
    """Return the response for a problem."""
    # Without ASCII escapes a detail may contain a lone surrogate of the request, hence "replace".
    body = json.dumps(problem.body(instance=instance, request_id=request_id), ensure_ascii=False)
    return Response(
        body.encode("utf-8", "replace"),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={**problem.headers, "Cache-Control": "no-store"},
    )
