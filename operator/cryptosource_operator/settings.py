"""The operator's settings, parsed once from the environment."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import URL

from cryptosource_store.environment import InvalidSetting, whole_number
from cryptosource_store.settings import DatabaseSettings
from cryptosource_telemetry.exporter import export_wanted

POD_KEYS = frozenset(
    {
        "affinity",
        "hostUsers",
        "imagePullSecrets",
        "nodeSelector",
        "priorityClassName",
        "runtimeClassName",
        "schedulerName",
        "tolerations",
        "topologySpreadConstraints",
    }
)
"""Fields of a pod's spec that CRYPTOSOURCE_JOB_POD may set: where it runs, not what it may do."""


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """Settings of the pods of all runs."""

    image: str
    """CRYPTOSOURCE_ETL_IMAGE. Its entry point is the command `cryptosource`."""
    image_pull_policy: str = "IfNotPresent"
    """CRYPTOSOURCE_ETL_IMAGE_PULL_POLICY."""
    database_secret: str = "cryptosource-database"  # noqa: S105 - a Secret's name
    """CRYPTOSOURCE_DATABASE_SECRET: a Secret in each source's namespace. The operator never reads it."""
    database_key: str = "uri"
    """CRYPTOSOURCE_DATABASE_SECRET_KEY: the key that holds the URL; CloudNativePG's is `uri`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """CRYPTOSOURCE_JOB_ENV, a JSON object: variables of the run, such as OTEL_* or LOG_LEVEL."""
    resources: Mapping[str, Any] = field(
        default_factory=lambda: {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        }
    )
    """CRYPTOSOURCE_JOB_RESOURCES, a JSON object: for what a source's spec.resources leaves out."""
    pod: Mapping[str, Any] = field(default_factory=dict)
    """CRYPTOSOURCE_JOB_POD, a JSON object with some of `POD_KEYS`."""
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    """CRYPTOSOURCE_JOB_LABELS, a JSON object."""
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    """CRYPTOSOURCE_JOB_ANNOTATIONS, a JSON object."""
    backoff_limit: int = 2
    """CRYPTOSOURCE_JOB_BACKOFF_LIMIT: retries of a Job whose run failed with a retryable error."""
    grace_seconds: int = 60
    """CRYPTOSOURCE_JOB_GRACE_SECONDS: for the current page after SIGTERM."""
    spread_seconds: int = 30
    """CRYPTOSOURCE_SPREAD_SECONDS: runs due in the same minute start within so many seconds."""


@dataclass(frozen=True, kw_only=True)
class OperatorSettings:
    """Settings of the operator itself."""

    job: JobSettings
    namespaces: tuple[str, ...] = ()
    """CRYPTOSOURCE_NAMESPACES, separated by commas. Empty: the whole cluster."""
    database: URL | None = field(default=None, repr=False)
    """DATABASE_URL. None: statuses have the condition DatabaseUnavailable."""
    workers: int = 50
    # Reconciles wait together for one statement of Postgres: more of them make fewer statements.
    """CRYPTOSOURCE_OPERATOR_WORKERS: sources reconciled at once."""
    resync_seconds: float = 60.0
    """CRYPTOSOURCE_RESYNC_SECONDS: how often lists are compared with what the watches delivered."""
    status_seconds: float = 5.0
    """CRYPTOSOURCE_STATUS_SECONDS: least time between two writes of a status in which only counts
    changed."""
    pod_check_seconds: float = 10.0
    """CRYPTOSOURCE_POD_CHECK_SECONDS: how often the pods of a Job without a run row are read."""
    listen_host: str = "0.0.0.0"  # noqa: S104 - probes come from the node
    """CRYPTOSOURCE_OPERATOR_HOST."""
    listen_port: int = 8080
    """CRYPTOSOURCE_OPERATOR_PORT: /healthz, /readyz and /metrics. 0 lets the system choose."""
    identity: str = ""
    """`reportingInstance` of events: the pod's name."""
    traced: bool = False
    """OTEL_EXPORTER_OTLP_ENDPOINT: whether spans are exported."""
    crash_after_calls: int = 0
    """CRYPTOSOURCE_OPERATOR_CRASH_AFTER, for tests: SIGKILL after so many calls of reconciles."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> OperatorSettings:
        """Read the settings from the environment.

        Raises:
            InvalidSetting: a variable is missing or has a value that is not allowed.
        """
        names = environ.get("CRYPTOSOURCE_NAMESPACES", "").split(",")
        number = partial(whole_number, environ)
        return cls(
            job=_job_settings(environ),
            namespaces=tuple(name.strip() for name in names if name.strip()),
            database=DatabaseSettings.from_environ(environ).url,
            workers=number("CRYPTOSOURCE_OPERATOR_WORKERS", 50, least=1),
            resync_seconds=float(number("CRYPTOSOURCE_RESYNC_SECONDS", 60, least=1)),
            status_seconds=float(number("CRYPTOSOURCE_STATUS_SECONDS", 5)),
            pod_check_seconds=float(number("CRYPTOSOURCE_POD_CHECK_SECONDS", 10, least=1)),
            listen_host=environ.get("CRYPTOSOURCE_OPERATOR_HOST") or "0.0.0.0",  # noqa: S104
            listen_port=number("CRYPTOSOURCE_OPERATOR_PORT", 8080, most=65_535),
            identity=environ.get("CRYPTOSOURCE_POD_NAME") or socket.gethostname(),
            traced=export_wanted(environ),
            crash_after_calls=number("CRYPTOSOURCE_OPERATOR_CRASH_AFTER", 0),
        )


def _job_settings(environ: Mapping[str, str]) -> JobSettings:
    image = environ.get("CRYPTOSOURCE_ETL_IMAGE", "").strip()
    if not image:
        raise InvalidSetting(
            "CRYPTOSOURCE_ETL_IMAGE is not set: name the image that runs are made of"
        )
    number = partial(whole_number, environ)
    given: dict[str, Any] = {
        "image_pull_policy": environ.get("CRYPTOSOURCE_ETL_IMAGE_PULL_POLICY"),
        "database_secret": environ.get("CRYPTOSOURCE_DATABASE_SECRET"),
        "database_key": environ.get("CRYPTOSOURCE_DATABASE_SECRET_KEY"),
        "environment": _texts(environ, "CRYPTOSOURCE_JOB_ENV"),
        "resources": _object(environ, "CRYPTOSOURCE_JOB_RESOURCES"),
        "pod": _pod(environ),
        "pod_labels": _texts(environ, "CRYPTOSOURCE_JOB_LABELS"),
        "pod_annotations": _texts(environ, "CRYPTOSOURCE_JOB_ANNOTATIONS"),
    }
    return JobSettings(
        image=image,
        backoff_limit=number("CRYPTOSOURCE_JOB_BACKOFF_LIMIT", 2),
        grace_seconds=number("CRYPTOSOURCE_JOB_GRACE_SECONDS", 60, least=1),
        spread_seconds=number("CRYPTOSOURCE_SPREAD_SECONDS", 30),
        **{name: value for name, value in given.items() if value},
    )


def _object(environ: Mapping[str, str], name: str) -> dict[str, Any]:
    raw = environ.get(name, "").strip()
    if not raw:
        return {}
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise InvalidSetting(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidSetting(f"{name}: write a JSON object")
    return value


def _texts(environ: Mapping[str, str], name: str) -> dict[str, str]:
    value = _object(environ, name)
    if not all(isinstance(item, str) for item in value.values()):
        raise InvalidSetting(f"{name}: every value must be a string; put numbers in quotes")
    return value


def _pod(environ: Mapping[str, str]) -> dict[str, Any]:
    value = _object(environ, "CRYPTOSOURCE_JOB_POD")
    unknown = sorted(set(value) - POD_KEYS)
    if unknown:
        known = ", ".join(sorted(POD_KEYS))
        raise InvalidSetting(f"CRYPTOSOURCE_JOB_POD must not hold {unknown[0]}; known: {known}")
    return value
