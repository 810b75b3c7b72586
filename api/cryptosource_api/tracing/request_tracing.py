"""Tracing of requests, by the standard OTEL_* settings.

Without an exporter nothing is instrumented: spans that are thrown away cost a third of the
throughput. The trace id of the caller's `traceparent` is in the access log either way. With an
exporter, and unless OTEL_TRACES_SAMPLER says otherwise, the caller's sampling decision is kept; of
traces that begin here, a tenth of the reads, a hundredth of the cached answers and every trigger
are sampled.
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
CACHED_SHARE = 0.01
"""Of cached answers: such a span costs ten times the answer and has no children."""
EXCLUDED = "^https?://[^/]+/(health|metrics)"
"""URLs of probes and scrapes, which are not traced."""


def request_provider(environ: Mapping[str, str]) -> TracerProvider | None:
    """Return the provider of request spans, or None if no exporter is configured.

    It is not the process's global provider, which may be that of runs (`cryptosource up`). The
    caller shuts it down.
    """
    if not export_wanted(environ):
        return None
    from cryptosource_api.tracing.sampler import ChosenTraceIds, RequestSampler  # noqa: PLC0415

    return new_provider(
        environ,
        service_name=SERVICE_NAME,
        roots=RequestSampler(SAMPLED_SHARE, cached=CACHED_SHARE),
        ids=ChosenTraceIds(),
    )


def install_layers(
    app: FastAPI, layers: ASGIApp, cache_lookup: CacheLookup, provider: TracerProvider | None
) -> None:
    """Serve an application's requests through layers, traced where there is a provider.

    Args:
        app: before its first request.
        layers: from our outermost one to the routes.
        cache_lookup: finds the answers that they give from memory.
        provider: makes the spans; None traces nothing.
    """
    if provider is None:
        replace_layers(app, lambda: layers)
        return
    from cryptosource_api.tracing.sampler import EarlySampling, can_decide_first  # noqa: PLC0415

    traced = traced_layers(app, layers, provider, excluded_urls=EXCLUDED)
    if can_decide_first(provider):
        replace_layers(
            app,
            lambda: EarlySampling(
                traced=traced(), plain=layers, cache_lookup=cache_lookup, provider=provider
            ),
        )


def traceparent_of(scope: Scope) -> str:
    """Return the traceparent to propagate: the request's own, else the caller's, else ""."""
    own = own_traceparent_of(scope)
    if own:
        return own
    for name, value in scope["headers"]:
        if name == b"traceparent":
            context = trace_context.parse_traceparent(value.decode("latin-1"))
            return "" if context is None else trace_context.traceparent_of(context)
    return ""


def own_traceparent_of(scope: Scope) -> str:
    """Return the traceparent of a request's own span, recorded or not; "" without one."""
    traceparent: str | None = scope.get(TRACE_KEY)
    return trace_context.current_traceparent() if traceparent is None else traceparent


def trace_id_of(scope: Scope) -> str | None:
    """Return the request's trace id as 32 hex digits; without a span, the one the caller sent."""
    traceparent = traceparent_of(scope)
    return traceparent.split("-")[1] if traceparent else None
