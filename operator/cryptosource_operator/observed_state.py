"""The observed state of a source at one moment, and what the conditions derive from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from cryptosource_crd.quota import cost
from cryptosource_crd.schedule import next_run
from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.clock import parse_time
from cryptosource_operator.source_facts import HistoryFacts, JobFacts, PodTrouble, Refusal, RunFacts
from cryptosource_operator.source_parser import Readable, Unreadable
from cryptosource_store.reasons import PERMANENT_REASONS, Reason, RunStatus
from cryptosource_store.source_state import RunHistory


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the latest run that counts ended."""

    succeeded: bool
    reason: str
    message: str
    job_name: str
    at: datetime
    from_cluster: bool = False
    """Whether Kubernetes reports it and not the run's own row."""


@dataclass(frozen=True, kw_only=True)
class ObservedState:
    """The input of `summarize`."""

    generation: int
    reading: Readable | Unreadable
    now: datetime
    old: Mapping[str, Any] = field(default_factory=dict)
    """The status as stored."""
    cronjob: Mapping[str, Any] | None = None
    """As stored; None: there is none."""
    refusal: Refusal | None = None
    history: HistoryFacts | None = None
    """From Postgres; None while it cannot be reached."""
    jobs: tuple[JobFacts, ...] = ()
    trouble: PodTrouble | None = None
    handled: str = ""
    """The last request for a run that was answered."""

    @property
    def source(self) -> CryptoSource | None:
        """Return the source; None when its spec cannot be parsed."""
        return self.reading.source if isinstance(self.reading, Readable) else None

    @property
    def suspended(self) -> bool:
        """Return whether scheduled runs are stopped."""
        return self.source is not None and self.source.spec.suspend

    @property
    def busy(self) -> bool:
        """Return whether a Job is active."""
        return any(job.active for job in self.jobs)

    @property
    def latest(self) -> RunFacts | None:
        """Return the latest run row."""
        return self.history.recent[0] if self.history and self.history.recent else None

    @cached_property
    def last_success_at(self) -> datetime | None:
        """Return the latest success, from the old status while Postgres cannot be reached."""
        if self.history is not None:
            return self.history.last_success_at
        return parse_time(self.old.get("lastSuccessTime"))

    @cached_property
    def outcome(self) -> Outcome | None:
        """Return how the latest run ended, by its row or by Kubernetes; None: none has ended."""
        outcomes = [found for found in (self._from_rows(), self._from_cluster()) if found]
        return max(outcomes, key=lambda outcome: outcome.at, default=None)

    def _from_rows(self) -> Outcome | None:
        if self.history is None:
            return None
        active = {job.name for job in self.jobs if job.active}
        for run in (*self.history.recent, self.history.last):
            if run is None or run.status is RunStatus.RUNNING or run.resumed:
                continue
            # Its Job is about to make another attempt.
            if run.status is RunStatus.INTERRUPTED and run.job_name in active:
                continue
            return Outcome(
                succeeded=run.status is RunStatus.SUCCESS,
                reason=run.reason or run.status.value.capitalize(),
                message=run.message,
                job_name=run.job_name,
                at=run.finished_at or run.started_at,
            )
        return None

    def _from_cluster(self) -> Outcome | None:
        """Return a failure that the run could not record: killed, out of memory, out of time."""
        found = [
            (job.finished_at or job.created_at, job.failure, job.message, job.name)
            for job in self.jobs
            if job.failure and not self._has_own_outcome(job.name)
        ]
        trouble = self.trouble
        if trouble is not None and trouble.ended_at is not None:
            last = [job for job in self.jobs if job.name == trouble.job_name]
            at = max([trouble.ended_at, *(job.finished_at for job in last if job.finished_at)])
            if not self._has_own_outcome(trouble.job_name):
                # The pod's reason (OOMKilled) says more than its Job's (BackoffLimitExceeded).
                found = [entry for entry in found if entry[3] != trouble.job_name]
                found.append((at, trouble.reason, trouble.message, trouble.job_name))
        if not found:
            return None
        at, reason, message, name = max(found)
        return Outcome(
            succeeded=False,
            reason=reason,
            message=message,
            job_name=name,
            at=at,
            from_cluster=True,
        )

    def _has_own_outcome(self, job_name: str) -> bool:
        run = self.history.run_of(job_name) if self.history else None
        return run is not None and run.status in {RunStatus.SUCCESS, RunStatus.FAILURE}

    @cached_property
    def merged_history(self) -> RunHistory:
        """Return the run history with the outcomes that only Kubernetes knows, ready to be judged.

        Suspension and the age limit are the spec's, not the row's of `sources`; the age is by this
        process's clock.
        """
        at, source, outcome = self.last_success_at, self.source, self.outcome
        status = None
        if outcome is not None:
            status = RunStatus.SUCCESS if outcome.succeeded else RunStatus.FAILURE
        return RunHistory(
            suspended=self.suspended,
            max_age_seconds=source.spec.freshness.max_age_seconds if source else None,
            age_seconds=None if at is None else (self.now - at).total_seconds(),
            running=self.latest is not None and self.latest.status is RunStatus.RUNNING,
            last_status=status,
            last_reason=outcome.reason if outcome else None,
            last_message=outcome.message if outcome else None,
        )

    @property
    def consecutive_failures(self) -> int:
        """Return the Jobs that failed since the last success, with one that only Kubernetes knows."""
        if self.history is None:
            return 0
        outcome = self.outcome
        if outcome is None or not outcome.from_cluster:
            return self.history.consecutive_failures
        # The store may have counted that Job already, when its row was closed as interrupted.
        run = self.history.run_of(outcome.job_name)
        counted = run is not None and run.failed
        return self.history.consecutive_failures + (not counted)

    @property
    def failing(self) -> Outcome | None:
        """Return the outcome if it is a failure."""
        return self.outcome if self.merged_history.failing else None

    @cached_property
    def permanent(self) -> Outcome | None:
        """Return the failure that only a person can end, unless the spec has changed since."""
        failing = self.failing
        if failing is None or failing.reason not in PERMANENT_REASONS:
            return None
        return failing if self.outcome_generation == self.generation else None

    @cached_property
    def outcome_generation(self) -> int:
        """Return the generation of the spec at which the latest outcome was first reported."""
        before = condition_of(self.old, "LastRunSucceeded")
        known = before.get("observedGeneration")
        outcome = self.outcome
        if outcome is None or not isinstance(known, int):
            return self.generation
        same = before.get("reason") == outcome.reason and self._seen_before(outcome)
        return known if same else self.generation

    def _seen_before(self, outcome: Outcome) -> bool:
        last = parse_time((self.old.get("lastRun") or {}).get("finishedAt"))
        # A status has whole seconds, a row has microseconds.
        return last is not None and abs(outcome.at - last) < timedelta(seconds=1)

    @property
    def stale(self) -> bool:
        """Return whether the last success is longer ago than the spec allows."""
        return self.merged_history.stale

    @property
    def stale_at(self) -> datetime | None:
        """Return when the data becomes stale; None when it is stale already, or there is none."""
        at, source = self.last_success_at, self.source
        if at is None or source is None or self.stale:
            return None
        return at + timedelta(seconds=source.spec.freshness.max_age_seconds)

    @property
    def blocked(self) -> PodTrouble | None:
        """Return what keeps the pod of the active Job from starting; None: nothing."""
        trouble = self.trouble
        return trouble if trouble is not None and trouble.ended_at is None else None

    @property
    def over_quota(self) -> str:
        """Return why the schedule does not fit the plan; empty when it fits."""
        return self.reading.quota_warnings if isinstance(self.reading, Readable) else ""

    @property
    def quota_reason(self) -> str:
        """Return the condition's reason for `over_quota`."""
        source = self.source
        fits = source is None or cost(source).fits_quota
        return "RunsTooLong" if fits else Reason.QUOTA_EXCEEDED.value

    @cached_property
    def next_run_at(self) -> datetime | None:
        """Return when the next run is due; None while suspended, refused or not computable."""
        source = self.source
        if source is None or self.suspended or self.refusal is not None:
            return None
        try:
            return next_run(source.spec.schedule, source.spec.time_zone, self.now)
        except (ValueError, StopIteration):
            return None


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a condition of a status; empty when it is absent."""
    conditions = status.get("conditions") or ()
    return next((found for found in conditions if found.get("type") == kind), {})
