"""Requests counted in this process: one look-up and three additions each."""

from __future__ import annotations

from opentelemetry.trace import INVALID_SPAN, Span, format_span_id, format_trace_id
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
        self._under_way = 0
        gauge = Gauge("api_requests_in_progress", "Requests under way", registry=self.registry)
        gauge.set_function(lambda: self._under_way)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self.registry)

    def begins(self) -> None:
        """Count a request as under way. Only the event loop's thread may do it."""
        self._under_way += 1

    def answers(self, scope: Scope, status: int, seconds: float, span: Span = INVALID_SPAN) -> None:
        """Count an answer that begins.

        Args:
            scope: of the request.
            status: of the answer.
            seconds: since the request's arrival.
            span: of the request.
        """
        method = scope["method"] if scope["method"] in METHODS else OTHER
        key = method, route_of(scope), status
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = (
                self._requests.labels(*key),
                self._seconds.labels(*key[:2]),
            )
        children[0].inc()
        children[1].observe(seconds, _exemplar(span))

    def ends(self) -> None:
        """Count a request as done."""
        self._under_way -= 1


def _exemplar(span: Span) -> dict[str, str] | None:
    """Return the trace of the request where somebody receives it."""
    if not span.is_recording():
        return None
    context = span.get_span_context()
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
    }
