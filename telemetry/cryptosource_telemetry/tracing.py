"""A tracer provider by the standard OTEL_* settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from cryptosource_telemetry.exporter import export_wanted
from cryptosource_telemetry.redaction import Redactor, secrets_in
from cryptosource_telemetry.span_scrubber import ScrubbingExporter

EXPORT_SECONDS = 5.0
"""A collector that does not answer holds the end of a process up no longer than that, unless
OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""

_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")


def new_provider(
    environ: Mapping[str, str],
    *,
    service_name: str,
    roots: Sampler,
    ids: IdGenerator | None = None,
    secrets: Iterable[str] = (),
) -> TracerProvider:
    """Return a provider of its own, which exports where the environment says so.

    Args:
        environ: the standard OTEL_* settings.
        service_name: what the service is called where OTEL_SERVICE_NAME does not say so.
        roots: decides on traces that begin here; a caller's decision is kept, and
            OTEL_TRACES_SAMPLER goes before it.
        ids: makes ids of traces and spans; random ones by default.
        secrets: what never shows in a span, beside the secrets of the environment.
    """
    name = environ.get("OTEL_SERVICE_NAME") or service_name
    chosen = environ.get("OTEL_TRACES_SAMPLER")
    provider = TracerProvider(
        sampler=None if chosen else ParentBased(roots),
        resource=Resource.create({"service.name": name}),
        id_generator=ids,
    )
    if export_wanted(environ):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,  # costs 100 ms to import, which a laptop's run need not pay
        )

        redact = Redactor(secrets_in(environ, also=secrets))
        timeout = None if any(map(environ.get, _TIMEOUTS)) else EXPORT_SECONDS
        exporter = ScrubbingExporter(OTLPSpanExporter(timeout=timeout), redact)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def configure_tracing(
    environ: Mapping[str, str],
    *,
    service_name: str,
    sampled_share: float,
    secrets: Iterable[str] = (),
) -> TracerProvider | None:
    """Set the process's tracer provider up, unless somebody has already.

    Without an endpoint nothing leaves the process, but trace ids exist all the same.

    Args:
        environ: the standard OTEL_* settings.
        service_name: what this process is called where OTEL_SERVICE_NAME does not say so.
        sampled_share: of the traces that begin here, 0 to 1.
        secrets: as for `new_provider`.

    Returns:
        The provider in place, to be shut down at the end so that no span is lost; None with
        OTEL_SDK_DISABLED.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        return present
    roots = TraceIdRatioBased(sampled_share)
    provider = new_provider(environ, service_name=service_name, roots=roots, secrets=secrets)
    trace.set_tracer_provider(provider)
    return provider
