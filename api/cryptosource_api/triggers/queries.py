"""Placing requests for runs, and reading their state."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import Connection

from cryptosource_api.http.api_keys import Identity
from cryptosource_api.http.envelope import object_body
from cryptosource_api.http.list_answer import Answer
from cryptosource_api.http.parameters import is_uuid
from cryptosource_api.http.problems import URN, ApiProblem, InvalidRequest, Mistake, NotFound
from cryptosource_api.triggers.models import TriggerBody
from cryptosource_store import run_requests
from cryptosource_store.statements import run_requests as sql

KEY_HEADER = "Idempotency-Key"
ANONYMOUS = "anonymous"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A request for a run, parsed and checked."""

    wanted: run_requests.RunRequest
    key: str | None
    caller: str
    requested_by: str
    traceparent: str | None


def read_body(body: bytes, content_type: str | None) -> run_requests.RunRequest:
    """Parse the body of a request for a run.

    Raises:
        ApiProblem: 415 or 422.
    """
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiProblem(status=415, detail="Send the body as Content-Type: application/json")
    try:
        # An empty body is a body without members: the mistake then names what is missing.
        parsed = TriggerBody.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise InvalidRequest(*map(_mistake, error.errors(include_url=False))) from None
    return run_requests.RunRequest(source=parsed.source, namespace=parsed.namespace)


def _mistake(error: object) -> Mistake:
    assert isinstance(error, dict)  # noqa: S101 - pydantic's own
    name = ".".join(map(str, error["loc"])) or "body"
    return Mistake(parameter=name, detail=str(error["msg"]).removeprefix("Value error, "))


def read_key(values: list[str]) -> str | None:
    """Return the Idempotency-Key; None without one.

    Raises:
        InvalidRequest: there are several, or it has not 1 to 255 visible ASCII characters.
    """
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        detail = "send it once, with 1 to 255 visible ASCII characters"
        raise InvalidRequest(Mistake(parameter=KEY_HEADER, detail=detail))
    return values[0]


def caller_of(identity: Identity | None) -> str:
    """Return the owner of a request's idempotency keys."""
    # By the id of the key: names of keys are not unique.
    if identity is None:
        return ANONYMOUS
    return f"key:{identity.key_id}" if identity.key_id else identity.name


_PROBLEMS = {
    run_requests.UnknownSource: (404, "not-found", "There is no such thing"),
    run_requests.AmbiguousSource: (422, "invalid-request", "The request is not valid"),
    run_requests.KeyReused: (422, "idempotency-key-reused", "The key belongs to another request"),
    run_requests.SuspendedSource: (409, "source-suspended", "The source is suspended"),
    run_requests.TooManyRequests: (429, "too-many-requests", "The source was asked for too often"),
}


def _problem(refusal: run_requests.RequestRefused) -> ApiProblem:
    status, kind, title = _PROBLEMS[type(refusal)]
    headers = {}
    if isinstance(refusal, run_requests.TooManyRequests):
        headers["Retry-After"] = str(refusal.wait_seconds)
    detail = str(refusal)
    return ApiProblem(
        status=status,
        detail=detail[0].upper() + detail[1:],
        kind=f"{URN}{kind}",
        title=title,
        headers=headers,
    )


@dataclass(frozen=True, kw_only=True)
class PlacedTrigger:
    """The answer to a request that was placed, now or earlier."""

    body: bytes
    request_id: str
    replayed: bool


def place(connection: Connection, trigger: Trigger) -> PlacedTrigger:
    """Place a request, in a transaction.

    Raises:
        ApiProblem: nothing was placed.
    """
    try:
        placed = run_requests.request_run(
            connection,
            trigger.wanted,
            caller=trigger.caller,
            key=trigger.key,
            requested_by=trigger.requested_by,
            traceparent=trigger.traceparent,
        )
    except run_requests.RequestRefused as refusal:
        raise _problem(refusal) from None
    return PlacedTrigger(
        # Sorted: a replayed answer comes back from jsonb, which does not keep the order of members.
        body=object_body(json.dumps(placed.answer, sort_keys=True)),
        request_id=placed.answer["request_id"],
        replayed=placed.replayed,
    )


def read_request(connection: Connection, request_id: str) -> Answer:
    """Return a request and its runs.

    Raises:
        InvalidRequest: the id is not a UUID.
        NotFound: there is no such request, or it is past its retention.
    """
    if not is_uuid(request_id):
        detail = "write the request_id that POST /trigger-etl answered"
        raise InvalidRequest(Mistake(parameter="request_id", detail=detail))
    parsed = uuid.UUID(request_id)
    body = connection.scalar(sql.REQUEST, {"request_id": str(parsed)})
    if body is None:
        raise NotFound(f"There is no run request {parsed}")
    return Answer(body=object_body(body))
