"""Counts and latencies of this process's requests.

Only the event loop's thread counts. A scrape reads on another thread.
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
"""Label of unknown methods and paths: clients must not be able to create labels."""

_BOUNDS = [*map(floatToGoString, SECONDS), "+Inf"]

Family = CounterMetricFamily | HistogramMetricFamily


def route_of(scope: Scope) -> str:
    """Return the template of a request's route."""
    path = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else OTHER


class _Latencies:
    """The histogram of one method and route."""

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
        """Yield each bound, the requests up to it, and its newest exemplar if there is one."""
        so_far = 0
        for bound, count, exemplar in zip(
            _BOUNDS, list(self.counts), list(self.exemplars), strict=True
        ):
            so_far += count
            yield (bound, so_far) if exemplar is None else (bound, so_far, exemplar)


# Not prometheus-client's counters, which take a lock for each addition: a request costs two look-ups
# and three additions here.
class RequestMetrics(Collector):
    """The request metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answer_counts: dict[tuple[str, str, int], int] = {}
        self._latencies: dict[tuple[str, str], _Latencies] = {}
        self._in_progress = 0
        self.registry.register(self)
        gauge = Gauge("api_requests_in_progress", "Requests under way", registry=self.registry)
        gauge.set_function(lambda: self._in_progress)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[Family]:
        """Yield the families for the registry, on any thread."""
        # Copied by `list`, in one step of the interpreter: the loop goes on counting meanwhile.
        requests = CounterMetricFamily(
            "api_requests",
            "Requests by what they were answered with",
            labels=["method", "route", "status"],
        )
        for (method, route, status), count in list(self._answer_counts.items()):
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

    def request_started(self) -> None:
        """Count a request as in progress."""
        self._in_progress += 1

    def answer_started(
        self, scope: Scope, status: int, seconds: float, span: Span = INVALID_SPAN
    ) -> None:
        """Count an answer whose head is about to be sent.

        Args:
            scope: of the request.
            status: of the answer.
            seconds: since the request's arrival.
            span: of the request.
        """
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = route_of(scope)
        key = method, route, status
        self._answer_counts[key] = self._answer_counts.get(key, 0) + 1
        latencies = self._latencies.get((method, route))
        if latencies is None:
            latencies = self._latencies[method, route] = _Latencies()
        latencies.add(seconds, span)

    def request_ended(self) -> None:
        """Count a request as ended."""
        self._in_progress -= 1
