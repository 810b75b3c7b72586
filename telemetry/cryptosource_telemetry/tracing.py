"""A tracer provider by the standard OTEL_* settings."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def export_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names somewhere to send spans to."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not disabled and not none and any(environ.get(name) for name in _ENDPOINTS)


def configure_tracing(
    environ: Mapping[str, str], *, service_name: str, sampled_share: float
) -> TracerProvider | None:
    """Set the process's tracer provider up, unless somebody has already.

    Without an endpoint nothing leaves the process, but trace ids exist all the same.

    Args:
        environ: the standard OTEL_* settings.
        service_name: what this process is called where OTEL_SERVICE_NAME does not say so.
        sampled_share: of the traces that begin here, 0 to 1; a caller's decision is kept, and
            OTEL_TRACES_SAMPLER goes before it.

    Returns:
        The provider in place, to be shut down at the end so that no span is lost; None with
        OTEL_SDK_DISABLED.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        return present
    name = environ.get("OTEL_SERVICE_NAME", service_name)
    chosen = environ.get("OTEL_TRACES_SAMPLER")
    provider = TracerProvider(
        sampler=None if chosen else ParentBasedTraceIdRatio(sampled_share),
        resource=Resource.create({"service.name": name}),
    )
    if export_wanted(environ):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,  # costs 100 ms to import, which a laptop's run need not pay
        )

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
