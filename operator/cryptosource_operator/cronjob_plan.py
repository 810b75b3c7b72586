"""What the cluster should hold for a source. Pure: the same source gives the same objects."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from cryptosource_crd.schedule import shortest_interval_minutes
from cryptosource_crd.v1alpha1 import KIND, CryptoSource
from cryptosource_operator.names import (
    PLANNED_BY,
    TOKEN,
    TRACE,
    TRIGGER_LABEL,
    digest,
    labels,
    owner_reference,
    requested_job_name,
)
from cryptosource_operator.run_pod import CONTAINER, pod_template
from cryptosource_operator.settings import JobSettings
from cryptosource_store.reasons import PERMANENT_EXIT_CODE, TERMINATED_EXIT_CODE
from cryptosource_telemetry.trace_context import parse_traceparent

START_DELAY = "CRYPTOSOURCE_START_DELAY_SECONDS"


def plan_cronjob(source: CryptoSource, settings: JobSettings) -> dict[str, Any]:
    """Return the CronJob of a source.

    Args:
        source: with the uid that the API server gave it.
        settings: what all runs have in common.
    """
    meta, spec = source.metadata, source.spec
    own = labels(meta.name, meta.uid or "")
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "labels": own,
            "ownerReferences": [owner_reference(KIND, meta.name, meta.uid or "")],
        },
        "spec": {
            "schedule": spec.schedule,
            "timeZone": spec.time_zone,
            "suspend": spec.suspend,
            "concurrencyPolicy": spec.concurrency_policy,
            "startingDeadlineSeconds": spec.starting_deadline_seconds,
            "successfulJobsHistoryLimit": spec.job_history.successful,
            "failedJobsHistoryLimit": spec.job_history.failed,
            "jobTemplate": {
                "metadata": {"labels": {**own, TRIGGER_LABEL: "schedule"}},
                "spec": _job_spec(source, settings),
            },
        },
    }


def plan_manual_job(
    cronjob: Mapping[str, Any], token: str, *, trigger: str = "manual", traceparent: str = ""
) -> dict[str, Any]:
    """Return the Job that answers a request for a run, under a name that its token decides.

    Args:
        cronjob: the source's CronJob as stored; the Job is its child, so that its history limits
            hold for both.
        token: the request. Asked twice, there is one Job.
        trigger: manual, create or api.
        traceparent: the trace that the run goes on; empty: it begins its own.
    """
    meta = cronjob["metadata"]
    own = meta["labels"]
    template = copy.deepcopy(cronjob["spec"]["jobTemplate"]["spec"])
    pod = template["template"]
    pod["metadata"]["labels"][TRIGGER_LABEL] = trigger
    if traceparent:
        pod["metadata"]["annotations"][TRACE] = traceparent
    for container in pod["spec"]["containers"]:
        kept = [item for item in container["env"] if item["name"] != START_DELAY]
        container["env"] = [
            item | {"value": trigger} if item["name"] == "CRYPTOSOURCE_TRIGGER" else item
            for item in kept
        ]
    uid = own["cryptosource.io/source-uid"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": requested_job_name(meta["name"], uid, token),
            "namespace": meta["namespace"],
            "labels": {**own, TRIGGER_LABEL: trigger},
            "annotations": {TOKEN: token[:256], "cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                owner_reference("CronJob", meta["name"], meta["uid"], api_version="batch/v1")
            ],
        },
        "spec": template,
    }


def signature_of(cronjob: Mapping[str, Any] | None) -> str:
    """Return the trace of the reconcile that a stored CronJob says planned it; empty for none."""
    if cronjob is None:
        return ""
    template = cronjob["spec"]["jobTemplate"]["spec"]["template"]
    annotations = template.get("metadata", {}).get("annotations") or {}
    signature = str(annotations.get(PLANNED_BY, ""))
    return signature if parse_traceparent(signature) else ""


def with_signature(cronjob: Mapping[str, Any], traceparent: str) -> Mapping[str, Any]:
    """Return a planned CronJob whose runs can tell which reconcile planned them.

    No part of the plan: each reconcile has another, so that of a stored CronJob is no difference.
    """
    if not traceparent:
        return cronjob
    own = copy.deepcopy(dict(cronjob))
    template = own["spec"]["jobTemplate"]["spec"]["template"]
    template["metadata"]["annotations"][PLANNED_BY] = traceparent
    return own


def start_delay_seconds(source: CryptoSource, settings: JobSettings) -> int:
    """Return how long a scheduled run waits: the same for a source each time, spread over all.

    Less than half of the interval and of the starting deadline, so that a run that waits is
    neither late nor overtaken.
    """
    spec = source.spec
    try:
        interval = shortest_interval_minutes(spec.schedule) * 60
    except ValueError:
        return 0
    window = min(settings.spread_seconds, spec.starting_deadline_seconds // 2, interval // 2)
    return int(digest(source.metadata.uid or "")[:8], 16) % window if window > 0 else 0


def _job_spec(source: CryptoSource, settings: JobSettings) -> dict[str, Any]:
    delay = start_delay_seconds(source, settings)
    return {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": settings.backoff_limit,
        "activeDeadlineSeconds": source.spec.active_deadline_seconds,
        # A replacement starts when the pod before it has ended, not when it is told to.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules()},
        "template": pod_template(source, settings, trigger="schedule", start_delay_seconds=delay),
    }


def _failure_rules() -> list[dict[str, Any]]:
    """Return how a failed pod counts; the first rule that fits decides."""
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "Ignore", "onPodConditions": [disrupted]},
        {"action": "FailJob", "onExitCodes": _exit_code(PERMANENT_EXIT_CODE)},
        {"action": "Ignore", "onExitCodes": _exit_code(TERMINATED_EXIT_CODE)},
    ]


def _exit_code(code: int) -> dict[str, Any]:
    return {"containerName": CONTAINER, "operator": "In", "values": [code]}
