"""Tracing of requests, by the standard OTEL_* settings.

Where no exporter is configured nothing is instrumented: spans that nobody receives cost a third
of the throughput. The trace id of the caller's `traceparent` is in the access log either way.
With an exporter a tenth of the traces that begin here is sampled and the caller's decision is
kept (`parentbased_traceidratio`, 0.1), unless OTEL_TRACES_SAMPLER says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.trace import format_trace_id
from starlette.types import Scope

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME = "cryptosource-api"
SAMPLED_SHARE = 0.1
EXCLUDED = "^https?://[^/]+/health"
"""Probes are not traced."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def tracing_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names somewhere to send spans to."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not disabled and not none and any(environ.get(name) for name in _ENDPOINTS)


def configure_tracing(environ: Mapping[str, str]) -> TracerProvider | None:
    """Set the process's tracer provider up, once.

    Returns:
        The provider that requests are to be traced with: the one that is already in place, a new
        one, or None when nothing is to be traced. Shut a new one down at the end.
    """
    if not tracing_wanted(environ):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,  # costs 100 ms to import, which a laptop need not pay
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        return present
    sampler = None if environ.get("OTEL_TRACES_SAMPLER") else ParentBasedTraceIdRatio(SAMPLED_SHARE)
    name = environ.get("OTEL_SERVICE_NAME", SERVICE_NAME)
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def instrument(app: FastAPI, provider: TracerProvider) -> None:
    """Trace the requests of `app`: one span each, none for every message sent and received."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=EXCLUDED,
        exclude_spans=["receive", "send"],
    )


def trace_id_of(scope: Scope) -> str | None:
    """Return the request's trace id as 32 hex digits; without a span, the one the caller sent."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return format_trace_id(context.trace_id)
    for name, value in scope["headers"]:
        if name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            return match[1].decode("ascii")
    return None
