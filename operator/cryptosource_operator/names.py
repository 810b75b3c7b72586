"""Names that others rely on: labels, annotations, the names of children."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

GROUP, VERSION, PLURAL = "cryptosource.io", "v1alpha1", "cryptosources"
FIELD_MANAGER = "cryptosource-operator"
"""Owner of every field that the operator applies."""

SOURCE_LABEL = "cryptosource.io/source"
"""On CronJobs, Jobs and pods: the resource's name."""
UID_LABEL = "cryptosource.io/source-uid"
"""On CronJobs, Jobs and pods: the resource's uid, by which they are found."""
TRIGGER_LABEL = "cryptosource.io/trigger"
"""On Jobs and pods: schedule, create, manual or api."""

RUN_REQUEST = "cryptosource.io/run-requested-at"
"""Annotation on a CryptoSource: a new value asks for one run."""
MANIFEST = "cryptosource.io/manifest"
"""Annotation on a pod: the resource, as the run reads it."""
TRACE = "cryptosource.io/traceparent"
"""Annotation on a pod, and on a CryptoSource beside a request: the trace the run belongs to."""
PLANNED_BY = "cryptosource.io/planned-by"
"""Annotation on a scheduled run's pod: the trace of the reconcile that planned it."""
TOKEN = "cryptosource.io/run-request"  # noqa: S105 - what a request is called
"""Annotation on a Job: the request it answers."""

CREATE_TOKEN = "create"  # noqa: S105 - what a request is called
"""The request that `runOnCreate` stands for."""

_TOKEN_DIGITS = 10


def digest(*parts: str) -> str:
    """Return 64 hex digits that depend on every part."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def requested_job_name(name: str, uid: str, token: str) -> str:
    """Return the name of the Job that answers a request: one name per token, so one Job.

    At most 58 characters for a source's name of 46. Jobs of the CronJob end in digits alone.
    """
    return f"{name}-r{digest(uid, token)[:_TOKEN_DIGITS]}"


def uid_of(obj: Mapping[str, Any]) -> str:
    """Return the uid of the source that a CronJob or Job says it belongs to; empty for none."""
    return str((obj.get("metadata", {}).get("labels") or {}).get(UID_LABEL, ""))


def labels(name: str, uid: str) -> dict[str, str]:
    """Return what every child of a source carries."""
    return {
        "app.kubernetes.io/name": "cryptosource-etl",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        SOURCE_LABEL: name,
        UID_LABEL: uid,
    }


def owner_reference(
    kind: str, name: str, uid: str, *, api_version: str = f"{GROUP}/{VERSION}"
) -> dict[str, Any]:
    """Return the reference by which a child goes when its owner goes.

    Not blocking: that would need a right on the owner's finalizers, and nothing here waits.
    """
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
