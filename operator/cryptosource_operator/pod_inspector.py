"""Inspection of the pods of a Job, for failures that never reach Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptosource_operator.api_client import ApiClient
from cryptosource_operator.job_state import pod_trouble
from cryptosource_operator.source_facts import HistoryFacts, JobFacts, PodTrouble
from cryptosource_store.reasons import RunStatus

START_ALLOWANCE = timedelta(seconds=5)
"""The pods of a younger Job are not inspected."""
INSPECT_FAILED_FOR = timedelta(hours=1)
"""The pods of a failed Job are inspected for that long; later most are deleted."""
MAX_REMEMBERED = 10_000
"""Results of ended Jobs that are kept at most."""


def job_to_inspect(
    jobs: Sequence[JobFacts], history: HistoryFacts | None, now: datetime
) -> JobFacts | None:
    """Return the Job whose pods may explain more than its run row; None for none. Pure."""
    newest = max(jobs, key=lambda job: job.created_at, default=None)
    if newest is None or now - newest.created_at < START_ALLOWANCE:
        return None
    run = history.run_of(newest.name) if history else None
    if run is not None and run.status in {RunStatus.SUCCESS, RunStatus.FAILURE}:
        return None
    if newest.active:
        well = newest.failed_pods == 0 and (newest.ready or run is not None)
        return None if well else newest
    recent = newest.finished_at is not None and now - newest.finished_at < INSPECT_FAILED_FOR
    return newest if newest.failure and recent else None


class PodInspector:
    """Reads the pods of Jobs, those of an ended Job once."""

    # Listed on demand: a watch on pods would bring an event for each phase of each run.

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._ended_jobs: dict[str, PodTrouble | None] = {}

    async def trouble(self, namespace: str, job: JobFacts) -> PodTrouble | None:
        """Return the trouble of a Job's pods; None: they have none, or are deleted."""
        if job.uid in self._ended_jobs:
            return self._ended_jobs[job.uid]
        path = f"/api/v1/namespaces/{namespace}/pods"
        selector = f"batch.kubernetes.io/job-name={job.name}"
        pods = [pod async for pod in self._api.list(path, selector=selector)]
        found = pod_trouble(pods, job_name=job.name)
        if not job.active:
            if len(self._ended_jobs) >= MAX_REMEMBERED:
                self._ended_jobs.clear()
            self._ended_jobs[job.uid] = found
        return found
