"""Runs that somebody asked for: by annotation, by runOnCreate, through the API."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.cache import JOB, Cache
from cryptosource_operator.kube import CONFLICT, ApiClient, ApiError
from cryptosource_operator.mirroring import Database, Request
from cryptosource_operator.names import CREATE_TOKEN, RUN_REQUEST, TRACE
from cryptosource_operator.planning import plan_manual_job

log = logging.getLogger(__name__)

TOKEN_LIMIT = 256
"""Characters of a token that count; the status holds no more."""


def wanted_run(
    body: Mapping[str, Any], source: CryptoSource, cronjob: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the token and the trigger of a run that is asked for and not answered. Pure.

    The first run of `runOnCreate` is a request like another, answered once in a resource's life.
    """
    handled = (body.get("status") or {}).get("lastHandledRunRequest", "")
    annotations = body["metadata"].get("annotations") or {}
    token = annotations.get(RUN_REQUEST, "")[:TOKEN_LIMIT]
    if token and token != handled:
        return token, "manual"
    never_ran = not handled and not (cronjob.get("status") or {}).get("lastScheduleTime")
    if never_ran and source.spec.run_on_create and not source.spec.suspend:
        return CREATE_TOKEN, "create"
    return None


class Requester:
    """Makes the Jobs of requests: one per token, whoever asks how often, whoever dies in between."""

    def __init__(self, api: ApiClient, cache: Cache) -> None:
        self._api, self._cache = api, cache

    async def run(
        self, body: Mapping[str, Any], cronjob: Mapping[str, Any], *, token: str, trigger: str
    ) -> str:
        """Make the Job of a request, unless it is there; return its name."""
        trace = (body["metadata"].get("annotations") or {}).get(TRACE, "")
        job = plan_manual_job(cronjob, token, trigger=trigger, traceparent=trace)
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

    async def answer(self, database: Database, request: Request) -> None:
        """Answer a request that came through the API.

        Raises:
            ApiError: the API server could not make the Job now; the request stays open.
            DatabaseDown: Postgres cannot be asked.
        """
        uids = list(self._cache.sources) if request.for_all else [request.uid or ""]
        names = []
        for uid in uids:
            body, cronjob = self._cache.sources.get(uid), self._cache.cronjob(uid)
            if body is not None and cronjob is not None:
                token = request.request_id
                names.append(await self.run(body, cronjob, token=token, trigger="api"))
        await database.answer(request.request_id, job_name=names[0] if names else None)
