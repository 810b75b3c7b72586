"""The planned CronJob and Jobs of a source. Pure: the same source gives the same objects."""

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
        settings: the settings that all runs share.
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
    """Return the Job that answers a request for a run.

    Args:
        cronjob: the source's CronJob as stored.
        token: of the request; the name of the Job depends on it.
        trigger: manual, create or api.
        traceparent: the trace that the run continues; empty: it begins its own.
    """
    meta = cronjob["metadata"]
    own = meta["labels"]
    template = copy.deepcopy(cronjob["spec"]["jobTemplate"]["spec"])
    pod = template["template"]
    pod["metadata"]["labels"][TRIGGER_LABEL] = trigger
    if traceparent:
        pod["metadata"]["annotations"][TRACE] = traceparent
    # The delay spreads scheduled runs; one that was requested starts at once.
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
            # Owned by the CronJob, whose history limits then count this Job as well.
            "ownerReferences": [
                owner_reference("CronJob", meta["name"], meta["uid"], api_version="batch/v1")
            ],
        },
        "spec": template,
    }


def signature_of(cronjob: Mapping[str, Any] | None) -> str:
    """Return the `traceparent` of the reconcile that applied a CronJob; empty for none."""
    if cronjob is None:
        return ""
    template = cronjob["spec"]["jobTemplate"]["spec"]["template"]
    annotations = template.get("metadata", {}).get("annotations") or {}
    signature = str(annotations.get(PLANNED_BY, ""))
    return signature if parse_traceparent(signature) else ""


def with_signature(cronjob: Mapping[str, Any], traceparent: str) -> Mapping[str, Any]:
    """Return a planned CronJob with the trace of its reconcile, which its runs link to."""
    # Not part of the plan: each reconcile has another trace, and the plan must not differ for it.
    if not traceparent:
        return cronjob
    own = copy.deepcopy(dict(cronjob))
    template = own["spec"]["jobTemplate"]["spec"]["template"]
    template["metadata"]["annotations"][PLANNED_BY] = traceparent
    return own


def start_delay_seconds(source: CryptoSource, settings: JobSettings) -> int:
    """Return how long scheduled runs of a source wait: constant for it, spread over all sources."""
    spec = source.spec
    try:
        interval = shortest_interval_minutes(spec.schedule) * 60
    except ValueError:
        return 0
    # Less than half of the interval and of the starting deadline: a run that waits is neither missed
    # nor overtaken by the next one.
    window = min(settings.spread_seconds, spec.starting_deadline_seconds // 2, interval // 2)
    return int(digest(source.metadata.uid or "")[:8], 16) % window if window > 0 else 0


def _job_spec(source: CryptoSource, settings: JobSettings) -> dict[str, Any]:
    delay = start_delay_seconds(source, settings)
    return {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": settings.backoff_limit,
        "activeDeadlineSeconds": source.spec.active_deadline_seconds,
        # The next pod starts when the one before has ended, not while it is terminating: two would
        # contend for the source's lock and the second would end as skipped.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules()},
        "template": pod_template(source, settings, trigger="schedule", start_delay_seconds=delay),
    }


def _failure_rules() -> list[dict[str, Any]]:
    """Return the rules for failed pods; Kubernetes applies the first that matches."""
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "Ignore", "onPodConditions": [disrupted]},
        {"action": "FailJob", "onExitCodes": _exit_code(PERMANENT_EXIT_CODE)},
        {"action": "Ignore", "onExitCodes": _exit_code(TERMINATED_EXIT_CODE)},
    ]


def _exit_code(code: int) -> dict[str, Any]:
    return {"containerName": CONTAINER, "operator": "In", "values": [code]}
