"""What is known about a source, gathered from Postgres and from the cluster. Plain data."""

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
        """Return whether it has ended, for good, and did not succeed."""
        if self.status is RunStatus.INTERRUPTED:
            return not self.resumed
        return self.status is RunStatus.FAILURE


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """How far the source is."""

    cursor: Any
    records_committed: int
    observed_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class HistoryFacts:
    """What Postgres knows about a source."""

    recent: tuple[RunFacts, ...] = ()
    """The latest runs that count, newest first, at most 10."""
    last: RunFacts | None = None
    """The last that ended; it may be older than all of `recent`."""
    checkpoint: CheckpointFacts | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    consecutive_failures: int = 0
    """Jobs that failed since the last success; the store counts."""
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
    """The request it answers; empty for a scheduled one."""
    created_at: datetime
    active: bool
    """Whether it has not ended."""
    ready: bool = False
    """Whether a pod of it runs."""
    failed_pods: int = 0
    failure: str = ""
    """Why it failed, as Kubernetes says; empty when it did not."""
    message: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PodTrouble:
    """What keeps a pod from running, or what ended it."""

    job_name: str
    reason: str
    message: str
    ended_at: datetime | None = None
    """When its container was ended; None: it never started."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What the API server, or the cluster as it is, has against the CronJob."""

    reason: str
    message: str
    final: bool = True
    """Whether a person has to change something; otherwise it is tried again."""
