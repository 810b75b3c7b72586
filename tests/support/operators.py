"""Situations for the operator's tests: all well by default, each fact at will."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptosource_operator.cronjob_plan import plan_cronjob
from cryptosource_operator.observed_state import ObservedState
from cryptosource_operator.settings import JobSettings
from cryptosource_operator.source_facts import CheckpointFacts, HistoryFacts, JobFacts, RunFacts
from cryptosource_operator.source_parser import Readable
from cryptosource_store.reasons import RunStatus
from support.sources import make_source

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UID = "6f6d2a0e-0000-4000-8000-000000000001"
SETTINGS = JobSettings(image="registry.example/etl:1")


def ago(seconds: float) -> datetime:
    """Return a time before `NOW`."""
    return NOW - timedelta(seconds=seconds)


def make_run(**over: Any) -> RunFacts:
    """Return a run that succeeded a minute ago."""
    given = {
        "id": "11111111-0000-4000-8000-000000000000",
        "job_name": "a-source-29000000",
        "trigger": "schedule",
        "status": RunStatus.SUCCESS,
        "reason": "Completed",
        "message": "2000 records",
        "started_at": ago(70),
        "finished_at": ago(60),
        "processed": 2000,
        "loaded": 2000,
    }
    return RunFacts(**given | over)


def make_history(*runs: RunFacts, **over: Any) -> HistoryFacts:
    """Return what Postgres knows after some runs, newest first."""
    good = [run.finished_at for run in runs if run.status is RunStatus.SUCCESS]
    bad = [run.finished_at for run in runs if run.status is RunStatus.FAILURE]
    given = {
        "recent": runs,
        "checkpoint": CheckpointFacts(
            cursor={"page": 3}, records_committed=2000, observed_at=ago(65), updated_at=ago(60)
        ),
        "last_success_at": good[0] if good else None,
        "last_failure_at": bad[0] if bad else None,
        "consecutive_failures": len(bad) if not good else 0,
        "runs": len(runs),
        "succeeded": len(good),
        "failed": len(bad),
        "processed": sum(run.processed for run in runs),
    }
    return HistoryFacts(**given | over)


def make_job(**over: Any) -> JobFacts:
    """Return a Job under way since half a minute."""
    given = {
        "name": "a-source-29000000",
        "uid": "job-1",
        "token": "",
        "created_at": ago(30),
        "active": True,
    }
    return JobFacts(**given | over)


def make_cronjob(**spec: Any) -> dict[str, Any]:
    """Return a CronJob as an API server stores it."""
    planned = plan_cronjob(make_source(uid=UID, **spec), SETTINGS)
    planned["metadata"] |= {"uid": "cronjob-1", "resourceVersion": "7"}
    return planned | {"status": {"lastScheduleTime": "2026-03-01T11:55:00Z"}}


def make_state(*, spec: dict[str, Any] | None = None, **over: Any) -> ObservedState:
    """Return a state in which all is well.

    Args:
        spec: fields of the source's spec.
        over: fields of the state.
    """
    given = {
        "generation": 2,
        "reading": Readable(source=make_source(uid=UID, **(spec or {}))),
        "now": NOW,
        "cronjob": make_cronjob(),
        "history": make_history(make_run()),
        "handled": "create",
    }
    return ObservedState(**given | over)
