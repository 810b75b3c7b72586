"""Runs requested by annotation, by runOnCreate or through the API."""

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
from cryptosource_operator.store_client import Request, RunHistoryReader
from cryptosource_operator.watch_cache import WatchCache
from cryptosource_store.run_requests import StartedJob

log = logging.getLogger(__name__)

SOURCE_GONE, SUSPENDED, NO_SOURCES = "SourceGone", "Suspended", "NoSources"
JOB_REFUSED = "JobRefused"
"""Reasons of a refused request, as `GET /trigger-etl/{id}` shows them."""
REFUSALS = (400, 403, 404, 422)
"""Status codes of refusals that the same request will meet again: a quota, a policy."""

MAX_TOKEN_LENGTH = 256
"""Characters of a token that are compared: `lastHandledRunRequest` holds no more."""


def pending_run(
    body: Mapping[str, Any], source: CryptoSource, cronjob: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the token and the trigger of an open run request; None for none. Pure.

    The first run of `runOnCreate` is a request too, answered once in a resource's life.
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
    """Return the `traceparent` of an open request by annotation; empty for none. Pure."""
    handled = (body.get("status") or {}).get("lastHandledRunRequest", "")
    annotations = body["metadata"].get("annotations") or {}
    token = annotations.get(RUN_REQUEST, "")[:MAX_TOKEN_LENGTH]
    return str(annotations.get(TRACE, "")) if token and token != handled else ""


class RequestedRuns:
    """Creates the Jobs of run requests.

    A Job's name depends on the token alone, so there is one Job per token, however often it is created
    and whatever crashes in between.
    """

    def __init__(self, api: ApiClient, cache: WatchCache) -> None:
        self._api, self._cache = api, cache

    async def run(self, cronjob: Mapping[str, Any], *, token: str, trigger: str) -> str:
        """Create the Job of a request, unless it exists; return its name."""
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
        """Answer a request made through the API, in its trace.

        The request of a source that is not in the cache stays open until it expires: another
        operator on the same database may serve it.

        Raises:
            ApiError: the API server refused a Job for now; the request stays open.
            ApiUnreachableError: no answer came; the request stays open.
            DatabaseDown: Postgres cannot be reached.
        """
        with (
            trace_operation(
                "operator.request", parent=request.traceparent, request=request.request_id
            ) as operation,
            use_span(operation.span(), record_exception=False, set_status_on_exception=False),
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
        """Create the Job of a source; None where it has no CronJob or the Job is refused for good."""
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
