"""Tracing of requests, by the standard OTEL_* settings.

Where no exporter is configured nothing is instrumented: spans that nobody receives cost a third
of the throughput. The trace id of the caller's `traceparent` is in the access log either way.
With an exporter a tenth of the reads that begin a trace here is sampled, of answers out of memory a
hundredth, every trigger is, and the caller's decision is kept, unless OTEL_TRACES_SAMPLER says
otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp, Scope

from cryptosource_api.adapters.fastapi import replace_layers, traced_layers
from cryptosource_api.http.cache_lookup import CacheLookup
from cryptosource_api.http.request_context import TRACE_KEY
from cryptosource_telemetry import trace_context
from cryptosource_telemetry.exporter import export_wanted
from cryptosource_telemetry.tracing import new_provider

SERVICE_NAME = "cryptosource-api"
SAMPLED_SHARE = 0.1
KEPT_SHARE = 0.01
"""Of answers out of memory: such a span costs ten times the answer, and holds nothing but itself."""
EXCLUDED = "^https?://[^/]+/(health|metrics)"
"""Probes and scrapes are not traced."""


def request_provider(environ: Mapping[str, str]) -> TracerProvider | None:
    """Return what requests are to be traced with, or None when nobody receives spans.

    It is not the process's own provider, which may be that of runs. Shut it down at the end.
    """
    if not export_wanted(environ):
        return None
    from cryptosource_api.tracing.sampler import ChosenTraceIds, RequestSampler  # noqa: PLC0415

    return new_provider(
        environ,
        service_name=SERVICE_NAME,
        roots=RequestSampler(SAMPLED_SHARE, kept=KEPT_SHARE),
        ids=ChosenTraceIds(),
    )


def stand_before(
    app: FastAPI, layers: ASGIApp, kept: CacheLookup, provider: TracerProvider | None
) -> None:
    """Let every request of an application pass layers, which trace it where there is a provider.

    No span is made for each message sent and received.

    Args:
        app: before its first request.
        layers: from the first of our own to the routes.
        kept: what they answer out of memory.
        provider: makes the spans.
    """
    if provider is None:
        replace_layers(app, lambda: layers)
        return
    from cryptosource_api.tracing.sampler import EarlySampling, can_decide_first  # noqa: PLC0415

    traced = traced_layers(app, layers, provider, excluded_urls=EXCLUDED)
    if can_decide_first(provider):
        replace_layers(
            app,
            lambda: EarlySampling(traced=traced(), plain=layers, kept=kept, provider=provider),
        )


def traceparent_of(scope: Scope) -> str:
    """Return the trace that a request belongs to, to be handed on: its own, else the caller's."""
    own = own_traceparent_of(scope)
    if own:
        return own
    for name, value in scope["headers"]:
        if name == b"traceparent":
            context = trace_context.parse_traceparent(value.decode("latin-1"))
            return "" if context is None else trace_context.traceparent_of(context)
    return ""


def own_traceparent_of(scope: Scope) -> str:
    """Return the trace and the span of a request, recorded or not; nothing where none is traced."""
    known: str | None = scope.get(TRACE_KEY)
    return trace_context.current_traceparent() if known is None else known


def trace_id_of(scope: Scope) -> str | None:
    """Return the request's trace id as 32 hex digits; without a span, the one the caller sent."""
    known = traceparent_of(scope)
    return known.split("-")[1] if known else None
