"""Prometheus metrics, named as controller-runtime names its own where it has one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cryptosource_operator.kinds import KINDS

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one operator, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.reconciles = Counter(
            "cryptosource_operator_reconcile",
            "Reconciliations by result",
            ["result"],
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "cryptosource_operator_reconcile_time_seconds",
            "How long one takes",
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "cryptosource_operator_workqueue_depth",
            "Sources waiting to be reconciled",
            registry=registry,
        )
        self.api_requests = Counter(
            "cryptosource_operator_api_requests",
            "Requests to the API server",
            ["verb", "code"],
            registry=registry,
        )
        self.watch_events = Counter(
            "cryptosource_operator_watch_events",
            "What the watches delivered",
            ["kind"],
            registry=registry,
        )
        self.missed_events = Counter(
            "cryptosource_operator_watch_missed",
            "Changes that a list showed and no watch had delivered",
            ["kind"],
            registry=registry,
        )
        self.sources = Gauge(
            "cryptosource_operator_sources",
            "CryptoSources by readiness",
            ["ready"],
            registry=registry,
        )
        self.database_up = Gauge(
            "cryptosource_operator_database_up", "Whether Postgres can be heard", registry=registry
        )
        self.mirror_lag = Histogram(
            "cryptosource_operator_mirror_lag_seconds",
            "From the end of a run to the status that shows it",
            buckets=_SECONDS,
            registry=registry,
        )
        self.events = Counter(
            "cryptosource_operator_events",
            "Kubernetes Events written",
            ["reason"],
            registry=registry,
        )
        # `increase` counts from the first sample: a counter that first appears with 1 shows no rise.
        for kind in KINDS:
            self.missed_events.labels(kind)
        for result in ("success", "error"):
            self.reconciles.labels(result)
