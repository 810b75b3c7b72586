"""The pod template of a run: restricted, without rights in the cluster.

The resource is an annotation of the pod, mounted as a file by the downward API (docs/adr/0006): the
run needs no right to read it, and no second object has to be kept in step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptosource_crd.effective import api_key_variable
from cryptosource_crd.v1alpha1 import API_VERSION, KIND, CryptoSource
from cryptosource_operator.names import MANIFEST, PLANNED_BY, TRACE, TRIGGER_LABEL, labels
from cryptosource_operator.settings import JobSettings

CONTAINER = "etl"
MANIFEST_FOLDER, MANIFEST_FILE = "/etc/cryptosource", "source.yaml"
CONFIG_MAPS, VOLUMES = "/var/lib/cryptosource/configmaps", "/var/lib/cryptosource/volumes"
SCRATCH = "/tmp"  # noqa: S108 - an emptyDir of the pod's own

FILE_MODE = 0o644
"""Mode of mounted files."""


def manifest_of(source: CryptoSource) -> str:
    """Return the resource as the run reads it: JSON, with the uid that identifies its rows."""
    meta = source.metadata
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        # Unset fields stay unset: a mapping of columns that the manifest gives must be in the
        # file's header, a default one need not be.
        "spec": source.spec.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def pod_template(
    source: CryptoSource, settings: JobSettings, *, trigger: str, start_delay_seconds: int
) -> dict[str, Any]:
    """Return the template of a run's pod.

    Args:
        source: the source.
        settings: the settings that all runs share.
        trigger: the `trigger` of the run row.
        start_delay_seconds: how long the run waits first, so that runs due in the same minute are
            spread.
    """
    own = labels(source.metadata.name, source.metadata.uid or "")
    return {
        "metadata": {
            "labels": {**settings.pod_labels, **own, TRIGGER_LABEL: trigger},
            "annotations": {**settings.pod_annotations, MANIFEST: manifest_of(source)},
        },
        "spec": {
            # Defaults of the API server are written out, so that a stored object can be compared
            # with its plan in both directions.
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            **settings.pod,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": settings.grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(source, settings, trigger, start_delay_seconds)],
            "volumes": [*_own_volumes(), *_data(source, "volume")],
        },
    }


def _container(
    source: CryptoSource, settings: JobSettings, trigger: str, delay: int
) -> dict[str, Any]:
    mounts = [
        {"name": "source", "mountPath": MANIFEST_FOLDER, "readOnly": True},
        {"name": "scratch", "mountPath": SCRATCH},
    ]
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["run", "-f", f"{MANIFEST_FOLDER}/{MANIFEST_FILE}"],
        "env": _environment(source, settings, trigger, delay),
        "resources": _resources(source, settings),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*mounts, *_data(source, "mount")],
    }


def _environment(
    source: CryptoSource, settings: JobSettings, trigger: str, delay: int
) -> list[dict[str, Any]]:
    texts = {
        **settings.environment,
        "CRYPTOSOURCE_TRIGGER": trigger,
        "CRYPTOSOURCE_DATA_DIR": f"{SCRATCH}/cryptosource",
        "CRYPTOSOURCE_CONFIGMAPS_DIR": CONFIG_MAPS,
        "CRYPTOSOURCE_VOLUMES_DIR": VOLUMES,
        "HOME": SCRATCH,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if delay:
        texts["CRYPTOSOURCE_START_DELAY_SECONDS"] = str(delay)
    fields = {
        "CRYPTOSOURCE_JOB_NAME": "metadata.labels['batch.kubernetes.io/job-name']",
        "CRYPTOSOURCE_POD_NAME": "metadata.name",
        "TRACEPARENT": f"metadata.annotations['{TRACE}']",
        "CRYPTOSOURCE_PLANNED_BY": f"metadata.annotations['{PLANNED_BY}']",
    }
    secrets = {"DATABASE_URL": (settings.database_secret, settings.database_key)}
    reference = source.spec.api_key_secret_ref
    if reference is not None:
        secrets[api_key_variable(source.spec)] = (reference.name, reference.key)
    return [
        *({"name": name, "value": value} for name, value in texts.items()),
        *(
            {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
            for name, path in fields.items()
        ),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, (secret, key) in secrets.items()
        ),
    ]


def _resources(source: CryptoSource, settings: JobSettings) -> dict[str, Any]:
    requested = source.spec.resources.model_dump(
        by_alias=True, exclude_none=True, exclude_unset=True
    )
    # Merged by resource: a source that asks for memory alone keeps the operator's cpu.
    return {
        kind: {**settings.resources.get(kind, {}), **requested.get(kind, {})}
        for kind in ("requests", "limits")
        if settings.resources.get(kind) or requested.get(kind)
    }


def _own_volumes() -> list[dict[str, Any]]:
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{MANIFEST}']"}
    return [
        {
            "name": "source",
            "downwardAPI": {
                "defaultMode": FILE_MODE,
                "items": [{"path": MANIFEST_FILE, "fieldRef": field}],
            },
        },
        {"name": "scratch", "emptyDir": {}},
    ]


def _data(source: CryptoSource, part: str) -> list[Mapping[str, Any]]:
    """Return the volume or the mount of a CSV file; empty for other sources."""
    csv = source.spec.csv
    if csv is not None and csv.config_map is not None:
        name, folder = csv.config_map.name, CONFIG_MAPS
        item = {"key": csv.config_map.key, "path": csv.config_map.key}
        volume: dict[str, Any] = {
            "configMap": {"name": name, "defaultMode": FILE_MODE, "items": [item]}
        }
    elif csv is not None and csv.volume_claim is not None:
        name, folder = csv.volume_claim.name, VOLUMES
        volume = {"persistentVolumeClaim": {"claimName": name, "readOnly": True}}
    else:
        return []
    if part == "volume":
        return [{"name": "data", **volume}]
    return [{"name": "data", "mountPath": f"{folder}/{name}", "readOnly": True}]
