"""Requests for runs, from the API or the command line: rows that the operator or `up` answers.

RequestRefused
├── UnknownSource       no source has that name, or it was deleted
├── AmbiguousSource     several namespaces have a source of that name
├── SuspendedSource     the source is suspended
├── KeyReused           the idempotency key was sent before with another request
└── TooManyRequests     the rate limit is exceeded; says when to try again
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from cryptosource_store.statements import run_requests as sql
from cryptosource_store.statements.claim import NOTIFY

MAX_REQUESTS_A_MINUTE = 6
"""Requests for one and the same source."""
MAX_REQUESTS_A_MINUTE_FOR_ALL = 2
"""Requests for all sources at once."""


class RequestRefused(Exception):
    """A request was not placed. The message says why and what to do."""


class UnknownSource(RequestRefused):
    """There is no such source."""


class AmbiguousSource(RequestRefused):
    """Several sources have that name."""


class SuspendedSource(RequestRefused):
    """The source is suspended."""


class KeyReused(RequestRefused):
    """The idempotency key belongs to another request."""


class TooManyRequests(RequestRefused):
    """Too many requests for the source within a minute; `wait_seconds` says when to try again."""

    def __init__(self, message: str, *, wait_seconds: int) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Which sources are to run."""

    source: str | None = None
    """Name of a CryptoSource; None: all sources that are not suspended."""
    namespace: str | None = None
    """Required where several namespaces have a source of that name."""

    @property
    def digest(self) -> bytes:
        """SHA-256 that is equal for equal requests."""
        return hashlib.sha256(json.dumps([self.source, self.namespace]).encode()).digest()


@dataclass(frozen=True, kw_only=True)
class PlacedRequest:
    """A request that was placed, now or before."""

    answer: dict[str, Any]
    """request_id, source, namespace (null: all sources), requested_at, expires_at, coalesced."""
    replayed: bool = False
    """The idempotency key was sent before; this is its stored answer."""


def request_run(
    connection: Connection,
    request: RunRequest,
    *,
    caller: str,
    key: str | None = None,
    requested_by: str | None = None,
    traceparent: str | None = None,
) -> PlacedRequest:
    """Place a request for a run, or return the pending one.

    At most one request for a source is pending. Further requests return it (`coalesced`), because
    its run starts later than they were made.

    Args:
        connection: in a transaction; its commit notifies the listeners.
        request: which sources to run.
        caller: the scope of `key`.
        key: idempotency key; equal keys of a caller get equal answers, for a day.
        requested_by: shown with the request.
        traceparent: of the caller's span, as in W3C Trace Context.

    Raises:
        RequestRefused: nothing was placed, and the key, if any, is still unused.
    """
    # Locks are taken in one order, key before source, so that callers cannot deadlock.
    bound = {"caller": caller, "key": key}
    if key is not None:
        connection.execute(sql.LOCK_KEY, bound)
        stored = connection.execute(sql.STORED_ANSWER, bound).one_or_none()
        if stored is not None:
            if bytes(stored.digest) != request.digest:
                raise KeyReused("the key was sent before with another request; use a new one")
            return PlacedRequest(answer=stored.answer, replayed=True)
    answer = _place(connection, request, requested_by=requested_by, traceparent=traceparent)
    if key is not None:
        values = {"digest": request.digest, "request_id": answer["request_id"]}
        connection.execute(sql.STORE_ANSWER, {**bound, **values, "answer": json.dumps(answer)})
    return PlacedRequest(answer=answer)


def _place(
    connection: Connection,
    request: RunRequest,
    *,
    requested_by: str | None,
    traceparent: str | None,
) -> dict[str, Any]:
    source_id = _resolve_source(connection, request)
    connection.execute(sql.LOCK_SOURCE, {"source_id": source_id or 0})
    of_source = {"source_id": source_id}
    pending = connection.execute(sql.PENDING_REQUEST, of_source).mappings().one_or_none()
    if pending is not None:
        return {**pending, "coalesced": True}
    _check_rate(connection, source_id)
    row = {
        **of_source,
        "request_id": str(uuid.uuid4()),
        "requested_by": requested_by,
        "traceparent": traceparent,
    }
    placed = connection.execute(sql.INSERT_REQUEST, row).mappings().one()
    payload = {"channel": sql.REQUESTS_CHANNEL, "payload": row["request_id"]}
    connection.execute(NOTIFY, payload)
    return {**placed, "coalesced": False}


def _resolve_source(connection: Connection, request: RunRequest) -> int | None:
    if request.source is None:
        if not connection.scalar(sql.ANY_ACTIVE):
            raise UnknownSource("there is no source that could run; apply one, or resume one")
        return None
    named = {"name": request.source, "namespace": request.namespace}
    rows = connection.execute(sql.SOURCES_NAMED, named).all()
    active = [row for row in rows if row.retired_at is None]
    name = f"{request.namespace}/{request.source}" if request.namespace else request.source
    if not active:
        gone = f"{name} was deleted; apply it again first" if rows else f"there is no source {name}"
        raise UnknownSource(gone)
    namespaces = sorted({row.namespace for row in active})
    if len(namespaces) > 1:
        raise AmbiguousSource(
            f"the source {name} is in several namespaces: {', '.join(namespaces)}; name one"
        )
    if active[0].suspended:
        raise SuspendedSource(f"the source {name} is suspended; set spec.suspend to false first")
    return int(active[0].source_id)


def _check_rate(connection: Connection, source_id: int | None) -> None:
    most = MAX_REQUESTS_A_MINUTE_FOR_ALL if source_id is None else MAX_REQUESTS_A_MINUTE
    recent = connection.execute(sql.RECENT_REQUESTS, {"source_id": source_id}).one()
    if recent.requests >= most:
        subject = "every source" if source_id is None else "this source"
        raise TooManyRequests(
            f"a run of {subject} may be asked for {most} times a minute",
            wait_seconds=max(1, recent.wait_seconds),
        )


@dataclass(frozen=True, kw_only=True)
class StartedJob:
    """A Job that was started for a request."""

    source_uid: str
    job_name: str


def answer_request(
    connection: Connection,
    request_id: str,
    *,
    by: str,
    jobs: list[StartedJob],
    reason: str | None = None,
) -> bool:
    """Store the answer to a request; return whether it was still pending.

    Args:
        connection: in a transaction.
        request_id: of the request.
        by: name of the process that answers.
        jobs: the Jobs that were started; empty: the request is refused.
        reason: why it is refused, one CamelCase word.
    """
    values = {
        "request_id": request_id,
        "status": "accepted" if jobs else "refused",
        "reason": None if jobs else reason,
        "accepted_by": by,
    }
    if connection.scalar(sql.ANSWER_REQUEST, values) is None:
        return False
    for job in jobs:
        row = {"source_uid": job.source_uid, "job_name": job.job_name}
        connection.execute(sql.INSERT_JOB, {"request_id": request_id, **row})
    return True
