"""Placing requests for runs, and telling what became of them."""

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
    """A request for a run, read and checked."""

    wanted: run_requests.Wanted
    key: str | None
    caller: str
    requested_by: str
    traceparent: str | None


def read_body(body: bytes, content_type: str | None) -> run_requests.Wanted:
    """Return what a request's body asks for.

    Raises:
        ApiProblem: 415 or 422.
    """
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiProblem(status=415, detail="Send the body as Content-Type: application/json")
    try:
        asked = TriggerBody.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise InvalidRequest(*map(_mistake, error.errors(include_url=False))) from None
    return run_requests.Wanted(source=asked.source, namespace=asked.namespace)


def _mistake(error: object) -> Mistake:
    assert isinstance(error, dict)  # noqa: S101 - pydantic's own
    name = ".".join(map(str, error["loc"])) or "body"
    return Mistake(parameter=name, detail=str(error["msg"]).removeprefix("Value error, "))


def read_key(sent: list[str]) -> str | None:
    """Return the Idempotency-Key.

    Raises:
        InvalidRequest: there are several, or it is no text of 1 to 255 visible ASCII characters.
    """
    if not sent:
        return None
    if len(sent) > 1 or not _KEY.fullmatch(sent[0]):
        detail = "send it once, with 1 to 255 visible ASCII characters"
        raise InvalidRequest(Mistake(parameter=KEY_HEADER, detail=detail))
    return sent[0]


def caller_of(identity: Identity | None) -> str:
    """Return whose idempotency keys a request's are."""
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


def _problem(refused: run_requests.RequestRefused) -> ApiProblem:
    status, kind, title = _PROBLEMS[type(refused)]
    headers = {}
    if isinstance(refused, run_requests.TooManyRequests):
        headers["Retry-After"] = str(refused.wait_seconds)
    detail = str(refused)
    return ApiProblem(
        status=status,
        detail=detail[0].upper() + detail[1:],
        kind=f"{URN}{kind}",
        title=title,
        headers=headers,
    )


@dataclass(frozen=True, kw_only=True)
class PlacedTrigger:
    """The answer to a request that stands."""

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
    except run_requests.RequestRefused as refused:
        raise _problem(refused) from None
    return PlacedTrigger(
        body=object_body(json.dumps(placed.answer, sort_keys=True)),
        request_id=placed.answer["request_id"],
        replayed=placed.replayed,
    )


def read_request(connection: Connection, request_id: str) -> Answer:
    """Return what became of a request.

    Raises:
        InvalidRequest: the id is no UUID.
        NotFound: there is no such request, or it is past its retention.
    """
    if not is_uuid(request_id):
        detail = "write the request_id that POST /trigger-etl answered"
        raise InvalidRequest(Mistake(parameter="request_id", detail=detail))
    wanted = uuid.UUID(request_id)
    body = connection.scalar(sql.REQUEST, {"request_id": str(wanted)})
    if body is None:
        raise NotFound(f"There is no run request {wanted}")
    return Answer(body=object_body(body))
