"""Facts about a source from Postgres and from the cluster. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptosource_store.reasons import RunStatus


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run row."""

    id: str
    job_name: str
    trigger: str
    status: RunStatus
    reason: str
    message: str
    started_at: datetime
    finished_at: datetime | None
    processed: int = 0
    loaded: int = 0
    unchanged: int = 0
    rejected: int = 0
    trace_id: str = ""
    resumed: bool = False
    """Whether it was interrupted and its Job has made another attempt since."""

    @property
    def failed(self) -> bool:
        """Return whether it has ended without success and without another attempt."""
        if self.status is RunStatus.INTERRUPTED:
            return not self.resumed
        return self.status is RunStatus.FAILURE


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """The checkpoint of a source."""

    cursor: Any
    records_committed: int
    observed_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class HistoryFacts:
    """The run history of a source in Postgres."""

    recent: tuple[RunFacts, ...] = ()
    """The latest runs that count, newest first, at most 10."""
    last: RunFacts | None = None
    """The last run that ended; it may be older than all of `recent`."""
    checkpoint: CheckpointFacts | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    consecutive_failures: int = 0
    """Jobs that failed since the last success, as the store counts them."""
    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    processed: int = 0

    def run_of(self, job_name: str) -> RunFacts | None:
        """Return the latest run of a Job."""
        return next((run for run in self.recent if run.job_name == job_name), None)


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """A Job of the source."""

    name: str
    uid: str
    token: str
    """Token of the request it answers; empty for a scheduled one."""
    created_at: datetime
    active: bool
    """Whether it has not ended."""
    ready: bool = False
    """Whether one of its pods is ready."""
    failed_pods: int = 0
    failure: str = ""
    """Reason of its failure, by Kubernetes; empty when it did not fail."""
    message: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PodTrouble:
    """Why a pod does not start, or why it was ended."""

    job_name: str
    reason: str
    message: str
    ended_at: datetime | None = None
    """When its container was ended; None: it has not started."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why the CronJob cannot be applied."""

    reason: str
    message: str
    final: bool = True
    """Whether a person has to change something; otherwise it is retried."""
