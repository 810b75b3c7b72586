"""Runs that somebody asked for: by annotation, by runOnCreate, through the API."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import use_span

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.api_client import CONFLICT, ApiClient, ApiError
from cryptosource_operator.cronjob_plan import plan_manual_job
from cryptosource_operator.kinds import JOB
from cryptosource_operator.names import CREATE_TOKEN, RUN_REQUEST, TRACE
from cryptosource_operator.reconcile_tracing import current_traceparent, trace_operation
from cryptosource_operator.run_history import Request, RunHistoryReader
from cryptosource_operator.watch_cache import WatchCache
from cryptosource_store.run_requests import StartedJob

log = logging.getLogger(__name__)

SOURCE_GONE, SUSPENDED, NO_SOURCES = "SourceGone", "Suspended", "NoSources"
JOB_REFUSED = "JobRefused"
"""Why a request is refused, as its status tells."""
REFUSALS = (400, 403, 404, 422)
"""Answers of the API server that asking again will not change: a quota, a policy."""

MAX_TOKEN_LENGTH = 256
"""Characters of a token that count; the status holds no more."""


def pending_run(
    body: Mapping[str, Any], source: CryptoSource, cronjob: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the token and the trigger of a run that is asked for and not answered. Pure.

    The first run of `runOnCreate` is a request like another, answered once in a resource's life.
    """
    handled = (body.get("status") or {}).get("lastHandledRunRequest", "")
    annotations = body["metadata"].get("annotations") or {}
    token = annotations.get(RUN_REQUEST, "")[:MAX_TOKEN_LENGTH]
    if token and token != handled:
        return token, "manual"
    never_ran = not handled and not (cronjob.get("status") or {}).get("lastScheduleTime")
    if never_ran and source.spec.run_on_create and not source.spec.suspend:
        return CREATE_TOKEN, "create"
    return None


def request_traceparent(body: Mapping[str, Any]) -> str:
    """Return the trace that an unanswered request by annotation belongs to; empty for none. Pure."""
    handled = (body.get("status") or {}).get("lastHandledRunRequest", "")
    annotations = body["metadata"].get("annotations") or {}
    token = annotations.get(RUN_REQUEST, "")[:MAX_TOKEN_LENGTH]
    return str(annotations.get(TRACE, "")) if token and token != handled else ""


class RequestedRuns:
    """Makes the Jobs of requests: one per token, whoever asks how often, whoever dies in between."""

    def __init__(self, api: ApiClient, cache: WatchCache) -> None:
        self._api, self._cache = api, cache

    async def run(self, cronjob: Mapping[str, Any], *, token: str, trigger: str) -> str:
        """Make the Job of a request, unless it is there; return its name."""
        job = plan_manual_job(cronjob, token, trigger=trigger, traceparent=current_traceparent())
        name = str(job["metadata"]["name"])
        path = f"/apis/batch/v1/namespaces/{job['metadata']['namespace']}/jobs"
        try:
            stored = await self._api.create(path, job)
        except ApiError as error:
            if error.code != CONFLICT:
                raise
        else:
            self._cache.put(JOB, stored)
            log.info("Job made for a request", extra={"job": name, "trigger": trigger})
        return name

    async def answer(self, database: RunHistoryReader, request: Request) -> None:
        """Answer a request that came through the API, in its trace, unless it is somebody else's.

        A source that this operator does not know, or not yet, may be another's: its request stays
        open until it expires.

        Raises:
            ApiError: the API server could not make a Job now; the request stays open.
            DatabaseDown: Postgres cannot be asked.
        """
        with (
            trace_operation(
                "operator.request", parent=request.traceparent, request=request.request_id
            ) as trace,
            use_span(trace.span(), record_exception=False, set_status_on_exception=False),
        ):
            await self._answer(database, request)

    async def _answer(self, database: RunHistoryReader, request: Request) -> None:
        if request.for_all:
            bodies = [body for body in self._cache.sources.values() if not _is_suspended(body)]
            reason = NO_SOURCES
        elif request.uid is None:
            bodies, reason = [], SOURCE_GONE
        else:
            body = self._cache.sources.get(request.uid)
            if body is None or self._cache.cronjob(request.uid) is None:
                return
            bodies, reason = ([], SUSPENDED) if _is_suspended(body) else ([body], JOB_REFUSED)
        jobs = [job for body in bodies if (job := await self._start(body, request))]
        await database.answer(request.request_id, jobs=jobs, reason=reason)

    async def _start(self, body: Mapping[str, Any], request: Request) -> StartedJob | None:
        """Make a source's Job; None where the API server will not have it, now or later."""
        uid = str(body["metadata"]["uid"])
        cronjob = self._cache.cronjob(uid)
        if cronjob is None:
            return None
        try:
            name = await self.run(cronjob, token=request.request_id, trigger="api")
        except ApiError as error:
            if error.code not in REFUSALS:
                raise
            log.warning("a Job was refused", extra={"source_uid": uid, "error": str(error)})
            return None
        return StartedJob(source_uid=uid, job_name=name)


def _is_suspended(body: Mapping[str, Any]) -> bool:
    return bool(body["spec"].get("suspend"))
