"""The catalogue of the API's errors: status, type, cause and remedy of each.

The code that raises a problem writes its detail; a test checks that the types raised are those of
this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptosource_api.http.problems import URN, phrase

BLANK = "about:blank"
"""The RFC's type of a problem that is described by its status alone."""


@dataclass(frozen=True, kw_only=True)
class ProblemKind:
    """One kind of error."""

    status: int
    word: str
    """Its name in the description, and the end of its type unless that is about:blank."""
    detail: str
    """An example."""
    when: str
    remedy: str
    title: str = ""
    blank: bool = False
    headers: tuple[str, ...] = ()
    """Besides those of every problem."""
    mistakes: tuple[tuple[str, str], ...] = ()
    """Parameter and detail of each."""

    @property
    def type(self) -> str:
        """The RFC's `type`."""
        return BLANK if self.blank else f"{URN}{self.word}"

    def example(self) -> dict[str, Any]:
        """Return the error as an OpenAPI example."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": self.title or phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": "/data",
            "request_id": "57900aa6ffc2f851aee48ddce24e93c2",
        }
        if self.mistakes:
            document["errors"] = [
                {"parameter": name, "detail": detail} for name, detail in self.mistakes
            ]
        return {"summary": self.when, "description": self.remedy, "value": document}


def _unavailable(word: str, detail: str, *, when: str, remedy: str) -> ProblemKind:
    return ProblemKind(
        status=503,
        word=word,
        title="The service cannot answer now",
        detail=detail,
        when=when,
        remedy=remedy,
        headers=("Retry-After",),
    )


UNREADABLE = ProblemKind(
    status=400,
    word="unreadable",
    blank=True,
    detail="This is no HTTP/1.1 request that can be understood",
    when="The request is no HTTP/1.1 that can be understood.",
    remedy="Send it through an HTTP library; encode spaces and other signs in the URL.",
)
INVALID_CURSOR = ProblemKind(
    status=400,
    word="invalid-cursor",
    title="The cursor cannot be followed",
    detail="cursor: this is no cursor that an answer gave as next_cursor",
    when="`cursor` is none that an answer gave, or one of a list with other filters or order.",
    remedy="Begin again without `cursor`; follow `next_cursor` with the same filters and order.",
)
UNAUTHORIZED = ProblemKind(
    status=401,
    word="unauthorized",
    title="A key is needed",
    detail="Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
    when="The service asks for keys and none was sent, or one that is unknown, revoked or expired; "
    "or the header cannot be read, or there are several.",
    remedy="Send one key that is in force; `cryptosource keys create` makes one.",
    headers=("WWW-Authenticate",),
)
FORBIDDEN = ProblemKind(
    status=403,
    word="forbidden",
    title="The key does not allow this",
    detail="The key does not allow this; it needs the scope admin",
    when="The key is in force and has not the scope that this needs.",
    remedy="Use a key with that scope; the detail and `WWW-Authenticate` name it.",
    headers=("WWW-Authenticate",),
)
NOT_FOUND = ProblemKind(
    status=404,
    word="not-found",
    title="There is no such thing",
    detail="No coin has the id 'XYZ'; an id is a ticker (BTC) or SYMBOL~slug, as /data lists them",
    when="What the path or the body names does not exist.",
    remedy="Look it up in the list that names it: `/data`, `/stats/runs` or `/stats`.",
)
NO_ROUTE = ProblemKind(
    status=404,
    word="no-route",
    blank=True,
    detail="There is nothing here; GET / lists what there is",
    when="No route has this path.",
    remedy="`GET /` lists the paths. A slash at the end is another path.",
)
WRONG_METHOD = ProblemKind(
    status=405,
    word="method-not-allowed",
    blank=True,
    detail="This method is not allowed here; see Allow",
    when="The path is there, but not with this method.",
    remedy="Use a method that the header `Allow` names. HEAD works wherever GET does.",
    headers=("Allow",),
)
NOT_ACCEPTABLE = ProblemKind(
    status=406,
    word="not-acceptable",
    title="There is no such form",
    detail="Accept names nothing that there is: application/json, text/csv, application/x-ndjson, application/vnd.apache.parquet; or use format=",
    when="`Accept` names no form that there is, or Parquet is asked for and not installed.",
    remedy="Ask for one that the detail names, or use `format=`.",
)
LATE = ProblemKind(
    status=408,
    word="late",
    blank=True,
    detail="The body did not arrive in time",
    when="The request's head or body did not arrive within 10 seconds.",
    remedy="Send it again, whole.",
)
SUSPENDED = ProblemKind(
    status=409,
    word="source-suspended",
    title="The source is suspended",
    detail="The source crypto/coingecko is suspended; set spec.suspend to false first",
    when="The source has `spec.suspend: true`.",
    remedy="Resume it (`suspend: false`), then ask again.",
)
TOO_LARGE = ProblemKind(
    status=413,
    word="body-too-large",
    blank=True,
    detail="A body may have 65536 bytes",
    when="The body is larger than `CRYPTOSOURCE_API_BODY_BYTES`; the connection is closed.",
    remedy="Send less; no route needs more.",
)
LONG_URL = ProblemKind(
    status=414,
    word="url-too-long",
    blank=True,
    detail="Path and query string may have 8192 bytes each",
    when="Path or query string is longer than `CRYPTOSOURCE_API_QUERY_BYTES`.",
    remedy="Ask for less at once.",
)
WRONG_MEDIA_TYPE = ProblemKind(
    status=415,
    word="unsupported-media-type",
    blank=True,
    detail="Send the body as Content-Type: application/json",
    when="The body's `Content-Type` is not `application/json`.",
    remedy="Send JSON, and say so.",
)
INVALID_REQUEST = ProblemKind(
    status=422,
    word="invalid-request",
    title="The request's parameters are not valid",
    detail="page-size: unknown parameter; did you mean 'page_size'?",
    when="A parameter or a member of the body is unknown, repeated, out of bounds, or does not go "
    "with another.",
    remedy="Correct what `errors` names; it has every mistake, not the first alone.",
    mistakes=(("page-size", "unknown parameter; did you mean 'page_size'?"),),
)
EXPORT_TOO_LONG = ProblemKind(
    status=422,
    word="export-too-long",
    title="The export would be too long",
    detail="The list has more than the 1000000 rows that an export may have; narrow it by its "
    "filters or dates, or give limit",
    when="CSV, NDJSON or Parquet of more rows than `CRYPTOSOURCE_API_EXPORT_ROWS`; nothing is cut.",
    remedy="Narrow the list by filters or dates, or give `limit`.",
)
DIFFERENT_SOURCES = ProblemKind(
    status=422,
    word="runs-of-different-sources",
    title="The runs cannot be compared",
    detail="a is a run of coingecko, b one of coinpaprika; choose runs of one source",
    when="`a` and `b` are runs of different sources.",
    remedy="Choose two of `/stats/runs?source=…`.",
)
KEY_REUSED = ProblemKind(
    status=422,
    word="idempotency-key-reused",
    title="The key belongs to another request",
    detail="The key was sent before with another request; use a new one",
    when="The `Idempotency-Key` was sent within 24 hours with another body.",
    remedy="Use a new key for each new request; repeat the old body to get the old answer.",
)
RATE_LIMITED = ProblemKind(
    status=429,
    word="rate-limited",
    title="Too many requests",
    detail="6000 requests a minute are allowed for each address; ask again in 1 s",
    when="More requests a minute than the key or the address is allowed.",
    remedy="Wait as `Retry-After` says; `RateLimit` tells on every answer what is left.",
    headers=("Retry-After", "RateLimit", "RateLimit-Policy"),
)
TOO_MANY_TRIGGERS = ProblemKind(
    status=429,
    word="too-many-requests",
    title="The source was asked for too often",
    detail="The source was asked for too often; ask again in 42 s",
    when="Runs of this source were asked for more often than it may be run.",
    remedy="Wait as `Retry-After` says.",
    headers=("Retry-After",),
)
LONG_HEAD = ProblemKind(
    status=431,
    word="head-too-long",
    blank=True,
    detail="A request's head may have 65536 bytes",
    when="Request line and headers have more than 64 KiB together.",
    remedy="Send fewer or shorter headers.",
)
INTERNAL = ProblemKind(
    status=500,
    word="internal-error",
    title="The service failed",
    detail="An unexpected error occurred; the log holds it under this request_id",
    when="A mistake of the service. What happened is in its log alone.",
    remedy="Report the `request_id`; the log line with it holds why.",
)
TOO_MANY_CONNECTIONS = ProblemKind(
    status=503,
    word="too-many-connections",
    blank=True,
    detail="Too many connections are open; try again shortly",
    when="More connections than `CRYPTOSOURCE_API_CONNECTIONS` are open.",
    remedy="Ask again as `Retry-After` says; keep connections and use them again.",
    headers=("Retry-After",),
)
BUSY = _unavailable(
    "busy",
    "Too many requests are under way; try again shortly",
    when="More requests than `CRYPTOSOURCE_API_CONCURRENCY` are under way.",
    remedy="Ask again as `Retry-After` says.",
)
DATABASE_AWAY = _unavailable(
    "database-unavailable",
    "The database cannot be reached; try again shortly",
    when="Postgres cannot be reached, be it for the answer or to look a key up.",
    remedy="Ask again as `Retry-After` says; `/health` tells what is wrong.",
)
POOL_EXHAUSTED = _unavailable(
    "pool-exhausted",
    "Every database connection is busy; try again shortly",
    when="No database connection became free within `CRYPTOSOURCE_API_POOL_WAIT_SECONDS`.",
    remedy="Ask again as `Retry-After` says.",
)
STATEMENT_TIMEOUT = _unavailable(
    "statement-timeout",
    "The query took too long; narrow it, or try again shortly",
    when="The query ran longer than `CRYPTOSOURCE_API_STATEMENT_TIMEOUT_SECONDS`.",
    remedy="Narrow it by filters or dates, or ask again as `Retry-After` says.",
)
SCHEMA_OUTDATED = _unavailable(
    "schema-outdated",
    "The database's schema is not ready; run `cryptosource migrate`",
    when="The database was not migrated to what this version needs.",
    remedy="Run `cryptosource migrate`; the chart's migration Job does.",
)
EXPORTS_BUSY = _unavailable(
    "exports-busy",
    "Enough exports are running; try again shortly",
    when="`CRYPTOSOURCE_API_EXPORT_CONCURRENCY` exports are running.",
    remedy="Ask again as `Retry-After` says.",
)
EXPORT_TIMEOUT = _unavailable(
    "export-timeout",
    "The export took too long; narrow it",
    when="An export took longer than `CRYPTOSOURCE_API_EXPORT_SECONDS` before its first byte.",
    remedy="Narrow it by filters or dates, or give `limit`.",
)
TOO_MANY_STREAMS = _unavailable(
    "too-many-streams",
    "Enough clients are connected; try again shortly",
    when="`CRYPTOSOURCE_API_STREAM_CLIENTS` clients listen.",
    remedy="Connect again as `Retry-After` says, with the last id.",
)
SHUTTING_DOWN = _unavailable(
    "shutting-down",
    "This process is shutting down; connect again",
    when="The process that was asked is about to end.",
    remedy="Connect again, with the last id; another replica answers.",
)

ANYWHERE = (
    UNREADABLE,
    UNAUTHORIZED,
    FORBIDDEN,
    LATE,
    TOO_LARGE,
    LONG_URL,
    RATE_LIMITED,
    LONG_HEAD,
    INTERNAL,
    TOO_MANY_CONNECTIONS,
    BUSY,
    DATABASE_AWAY,
    POOL_EXHAUSTED,
)
"""Problems of every route."""
OUTSIDE = (NO_ROUTE, WRONG_METHOD)
"""Problems of requests without a route; no operation can declare them."""
QUERIES = (INVALID_REQUEST, STATEMENT_TIMEOUT, SCHEMA_OUTDATED)
"""Further problems of routes that read parameters and query the database."""
EXPORTS = (NOT_ACCEPTABLE, EXPORT_TOO_LONG, EXPORTS_BUSY, EXPORT_TIMEOUT)
"""Further problems of routes with other formats than JSON."""

ALL = tuple(
    sorted(
        (value for value in list(globals().values()) if isinstance(value, ProblemKind)),
        key=lambda kind: (kind.status, not kind.blank, kind.word),
    )
)
