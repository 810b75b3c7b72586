"""Requests counted in this process: two lookups and three additions each."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import format_span_id, format_trace_id
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import Scope

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""Any method and any path that is not ours: strangers make no labels."""


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request came to."""
    path = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else OTHER


class RequestMetrics:
    """One application's requests, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "api_requests",
            "Requests by what they were answered with",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "api_latency_seconds",
            "From the arrival of a request to the beginning of its answer",
            ["method", "route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._under_way = Gauge(
            "api_requests_in_progress", "Requests under way", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def begins(self) -> None:
        """Count a request as under way."""
        self._under_way.inc()

    def answers(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer that begins."""
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = route_of(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds, exemplar=_exemplar())

    def ends(self) -> None:
        """Count a request as done."""
        self._under_way.dec()


def _exemplar() -> dict[str, str] | None:
    """Return the trace of the request where somebody receives it."""
    span = trace.get_current_span()
    if not span.is_recording():
        return None
    context = span.get_span_context()
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
    }
