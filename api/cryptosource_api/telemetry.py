"""Tracing of requests, by the standard OTEL_* settings.

Where no exporter is configured nothing is instrumented: spans that nobody receives cost a third
of the throughput. The trace id of the caller's `traceparent` is in the access log either way.
With an exporter a tenth of the reads that begin a trace here is sampled, every trigger is, and the
caller's decision is kept, unless OTEL_TRACES_SAMPLER says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id
from sqlalchemy import Engine
from starlette.types import ASGIApp, Scope

from cryptosource_telemetry import contexts
from cryptosource_telemetry.exporting import export_wanted
from cryptosource_telemetry.statements import trace_statements
from cryptosource_telemetry.tracing import new_provider

SERVICE_NAME = "cryptosource-api"
SAMPLED_SHARE = 0.1
EXCLUDED = "^https?://[^/]+/(health|metrics)"
"""Probes and scrapes are not traced."""


def request_provider(environ: Mapping[str, str]) -> TracerProvider | None:
    """Return what requests are to be traced with, or None when nobody receives spans.

    It is not the process's own provider, which may be that of runs. Shut it down at the end.
    """
    if not export_wanted(environ):
        return None
    from cryptosource_api.sampling import ChosenTraceIds, RequestSampler  # noqa: PLC0415

    return new_provider(
        environ,
        service_name=SERVICE_NAME,
        roots=RequestSampler(SAMPLED_SHARE),
        ids=ChosenTraceIds(),
    )


def instrument(app: FastAPI, engine: Engine, provider: TracerProvider) -> None:
    """Trace requests and their statements; no span for each message sent and received.

    Args:
        app: before its first request.
        engine: what it reads with, before anything was derived from it.
        provider: makes the spans.
    """
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    from cryptosource_api.sampling import SampledFirst, can_decide_first  # noqa: PLC0415

    trace_statements(engine, provider)
    plain = cache(app.build_middleware_stack)  # one stack, within the spans and without them
    app.build_middleware_stack = plain  # type: ignore[method-assign]
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        excluded_urls=EXCLUDED,
        exclude_spans=["receive", "send"],
    )
    if can_decide_first(provider):
        traced = app.build_middleware_stack

        def build() -> ASGIApp:
            return SampledFirst(traced=traced(), plain=plain(), provider=provider)

        app.build_middleware_stack = build  # type: ignore[method-assign]


def traceparent_of(scope: Scope) -> str:
    """Return the trace that a request belongs to, to be handed on: its own, else the caller's."""
    own = contexts.current_traceparent()
    if own:
        return own
    for name, value in scope["headers"]:
        if name == b"traceparent":
            context = contexts.parsed(value.decode("latin-1"))
            return "" if context is None else contexts.traceparent_of(context)
    return ""


def trace_id_of(scope: Scope) -> str | None:
    """Return the request's trace id as 32 hex digits; without a span, the one the caller sent."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return format_trace_id(context.trace_id)
    sent = traceparent_of(scope)
    return sent.split("-")[1] if sent else None
