"""Names that are part of the interface: labels, annotations, names of children."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

GROUP, VERSION, PLURAL = "cryptosource.io", "v1alpha1", "cryptosources"
FIELD_MANAGER = "cryptosource-operator"
"""Field manager of every write of the operator."""

SOURCE_LABEL = "cryptosource.io/source"
"""On CronJobs, Jobs and pods: the resource's name."""
UID_LABEL = "cryptosource.io/source-uid"
"""On CronJobs, Jobs and pods: the uid of the resource, by which they are selected."""
TRIGGER_LABEL = "cryptosource.io/trigger"
"""On Jobs and pods: schedule, create, manual or api."""

RUN_REQUEST = "cryptosource.io/run-requested-at"
"""Annotation on a CryptoSource: a new value asks for one run."""
MANIFEST = "cryptosource.io/manifest"
"""Annotation on a pod: the resource as JSON, which the run reads as a file."""
TRACE = "cryptosource.io/traceparent"
"""Annotation on a pod, and on a CryptoSource beside a request: the run's trace."""
PLANNED_BY = "cryptosource.io/planned-by"
"""Annotation on a scheduled run's pod: the trace of the reconcile that planned it."""
TOKEN = "cryptosource.io/run-request"  # noqa: S105 - an annotation's name
"""Annotation on a Job: the request it answers."""

CREATE_TOKEN = "create"  # noqa: S105 - a request's token, no secret
"""Token of the request that `runOnCreate` makes."""

_TOKEN_DIGITS = 10


def digest(*parts: str) -> str:
    """Return the SHA-256 of the parts, as 64 hex digits."""
    # With a separator, so that ("ab", "c") and ("a", "bc") differ.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def requested_job_name(name: str, uid: str, token: str) -> str:
    """Return the name of the Job that answers a request: one name per token, so one Job."""
    # At most 58 characters for a source's name of 46. The `r` keeps it apart from scheduled Jobs,
    # whose suffix is of digits alone.
    return f"{name}-r{digest(uid, token)[:_TOKEN_DIGITS]}"


def uid_of(obj: Mapping[str, Any]) -> str:
    """Return the source's uid on the label of a CronJob or Job; empty for none."""
    return str((obj.get("metadata", {}).get("labels") or {}).get(UID_LABEL, ""))


def labels(name: str, uid: str) -> dict[str, str]:
    """Return the labels of every child of a source."""
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
    """Return the owner reference by which a child is deleted with its owner."""
    # Not blocking: that would need the right to update the owner's finalizers, and nothing here
    # waits for the deletion of children.
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
