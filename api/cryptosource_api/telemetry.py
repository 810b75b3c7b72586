"""Tracing of requests, by the standard OTEL_* settings.

Where no exporter is configured nothing is instrumented: spans that nobody receives cost a third
of the throughput. The trace id of the caller's `traceparent` is in the access log either way.
With an exporter a tenth of the traces that begin here is sampled and the caller's decision is
kept (`parentbased_traceidratio`, 0.1), unless OTEL_TRACES_SAMPLER says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id
from starlette.types import Scope

from cryptosource_telemetry import tracing
from cryptosource_telemetry.tracing import export_wanted

SERVICE_NAME = "cryptosource-api"
SAMPLED_SHARE = 0.1
EXCLUDED = "^https?://[^/]+/health"
"""Probes are not traced."""

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def configure_tracing(environ: Mapping[str, str]) -> TracerProvider | None:
    """Set the process's tracer provider up, once.

    Returns:
        The provider that requests are to be traced with, or None when nobody receives spans.
        Shut it down at the end.
    """
    if not export_wanted(environ):
        return None
    return tracing.configure_tracing(
        environ, service_name=SERVICE_NAME, sampled_share=SAMPLED_SHARE
    )


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
