"""Requests counted in this process: two look-ups and three additions each.

Counted by hand and not by the library's own counters, which take a lock for each addition: only the
event loop's thread counts.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator

from opentelemetry.trace import INVALID_SPAN, Span, format_span_id, format_trace_id
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString
from starlette.types import Scope

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""Any method and any path that is not ours: strangers make no labels."""

_BOUNDS = [*map(floatToGoString, SECONDS), "+Inf"]

Family = CounterMetricFamily | HistogramMetricFamily


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request came to."""
    path = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else OTHER


class _Latencies:
    """Of one method and route."""

    __slots__ = ("counts", "exemplars", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.exemplars: list[Exemplar | None] = [None] * len(_BOUNDS)
        self.total = 0.0

    def add(self, seconds: float, span: Span) -> None:
        bucket = bisect_left(SECONDS, seconds)
        self.counts[bucket] += 1
        self.total += seconds
        if span is not INVALID_SPAN and span.is_recording():
            context = span.get_span_context()
            labels = {
                "trace_id": format_trace_id(context.trace_id),
                "span_id": format_span_id(context.span_id),
            }
            self.exemplars[bucket] = Exemplar(labels, seconds, time.time())  # noqa: TID251 - of no run

    def buckets(self) -> Iterator[tuple[str, float] | tuple[str, float, Exemplar]]:
        """Yield bound, requests up to it, and the newest traced one if there is one."""
        so_far = 0
        for bound, count, exemplar in zip(
            _BOUNDS, list(self.counts), list(self.exemplars), strict=True
        ):
            so_far += count
            yield (bound, so_far) if exemplar is None else (bound, so_far, exemplar)


class RequestMetrics(Collector):
    """One application's requests, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answered: dict[tuple[str, str, int], int] = {}
        self._latencies: dict[tuple[str, str], _Latencies] = {}
        self._under_way = 0
        self.registry.register(self)
        gauge = Gauge("api_requests_in_progress", "Requests under way", registry=self.registry)
        gauge.set_function(lambda: self._under_way)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[Family]:
        """Yield the families, as the registry asks for them; on any thread."""
        requests = CounterMetricFamily(
            "api_requests",
            "Requests by what they were answered with",
            labels=["method", "route", "status"],
        )
        for (method, route, status), count in list(self._answered.items()):
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "api_latency_seconds",
            "From the arrival of a request to the beginning of its answer",
            labels=["method", "route"],
        )
        for key, latencies in list(self._latencies.items()):
            seconds.add_metric(list(key), list(latencies.buckets()), latencies.total)
        yield seconds

    def begins(self) -> None:
        """Count a request as under way."""
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
        route = route_of(scope)
        answered = method, route, status
        self._answered[answered] = self._answered.get(answered, 0) + 1
        latencies = self._latencies.get((method, route))
        if latencies is None:
            latencies = self._latencies[method, route] = _Latencies()
        latencies.add(seconds, span)

    def ends(self) -> None:
        """Count a request as done."""
        self._under_way -= 1
