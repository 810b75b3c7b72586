"""The state of Jobs and their pods, read from their API objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from cryptosource_operator.clock import parse_time
from cryptosource_operator.names import TOKEN
from cryptosource_operator.source_facts import JobFacts, PodTrouble
from cryptosource_store.reasons import (
    PERMANENT_EXIT_CODE,
    RETRYABLE_EXIT_CODE,
    TERMINATED_EXIT_CODE,
)

STARTING_REASONS = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons of a waiting container that belong to every start."""

OWN_EXIT_CODES = frozenset({0, RETRYABLE_EXIT_CODE, PERMANENT_EXIT_CODE, TERMINATED_EXIT_CODE})
"""Exit codes of a run that has written its outcome into its row."""

KILLED_EXIT_CODE = 137
"""128 + SIGKILL."""


def job_facts(job: Mapping[str, Any]) -> JobFacts:
    """Return the facts of a Job."""
    meta, status = job["metadata"], job.get("status") or {}
    ended = {
        condition["type"]: condition
        for condition in status.get("conditions") or []
        if condition.get("status") == "True"
    }
    # FailureTarget and SuccessCriteriaMet come before Failed and Complete: the outcome is decided and
    # pods are still being ended.
    failure = ended.get("Failed") or ended.get("FailureTarget") or {}
    finished = failure.get("lastTransitionTime") or status.get("completionTime")
    return JobFacts(
        name=meta["name"],
        uid=meta.get("uid", ""),
        token=(meta.get("annotations") or {}).get(TOKEN, ""),
        created_at=parse_time(meta["creationTimestamp"]) or datetime.min,  # noqa: DTZ901
        active=not (failure or "Complete" in ended or "SuccessCriteriaMet" in ended),
        ready=bool(status.get("ready")),
        failed_pods=int(status.get("failed") or 0),
        failure=failure.get("reason", "") or ("Failed" if failure else ""),
        message=failure.get("message", ""),
        finished_at=parse_time(finished),
    )


def pod_trouble(pods: Iterable[Mapping[str, Any]], *, job_name: str) -> PodTrouble | None:
    """Return what keeps a Job's newest pod from running, else what ended one of its pods.

    Args:
        pods: the pods of the Job.
        job_name: the Job's name.
    """
    ordered = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    statuses = [pod.get("status") or {} for pod in ordered]
    start_problems = [found for status in statuses[:1] for found in _start_problems(status)]
    terminations = [found for status in statuses for found in _terminations(status)]
    for reason, message, ended_at in (*start_problems, *terminations):
        return PodTrouble(job_name=job_name, reason=reason, message=message, ended_at=ended_at)
    return None


_Found = tuple[str, str, datetime | None]


def _start_problems(status: Mapping[str, Any]) -> Iterator[_Found]:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield condition.get("reason") or "Unschedulable", condition.get("message", ""), None
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason", "") not in STARTING_REASONS:
            yield waiting["reason"], waiting.get("message", ""), None


def _terminations(status: Mapping[str, Any]) -> Iterator[_Found]:
    if any(
        condition.get("type") == "DisruptionTarget" for condition in status.get("conditions") or []
    ):
        return  # evicted or drained, which a Job does not count as a failure
    for container in status.get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended and ended.get("exitCode") not in OWN_EXIT_CODES:
            yield _describe_termination(ended)


def _describe_termination(ended: Mapping[str, Any]) -> _Found:
    code, finished = ended.get("exitCode"), parse_time(ended.get("finishedAt"))
    reason = ended.get("reason") or "Error"
    if reason == "OOMKilled":
        words = "the run was ended because it needed more memory than spec.resources.limits allows"
        return reason, words, finished
    if reason == "Error":
        reason = "Killed" if code == KILLED_EXIT_CODE else "Crashed"
    return reason, f"the run ended with exit code {code} and without a word", finished
