"""Tracer providers by the standard OTEL_* settings, and the scrubbing of the spans they export.

Every span leaves a process through `ScrubbingExporter`, whichever library created it. It drops
query strings, headers, statement parameters and the texts of exceptions, and masks known secrets in
the rest. That happens in the exporting thread, and for sampled spans only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from cryptosource_telemetry.exporter import export_wanted
from cryptosource_telemetry.redaction import Redactor, secrets_in

# The SDK's default of 10 s would hold up the end of every run while a collector does not answer.
EXPORT_SECONDS = 5.0
"""Timeout of an export, unless OTEL_EXPORTER_OTLP_TIMEOUT sets one."""

URLS = frozenset({"http.url", "http.target", "url.full"})
"""Attributes that are kept up to the query of their URL."""
DROPPED_PREFIXES = ("http.request.header.", "http.response.header.", "db.query.parameter.")
"""Beginnings of the names of attributes that are dropped."""
DROPPED = frozenset({"url.query", "exception.message", "exception.stacktrace"})
"""Attributes that are dropped."""

_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")


def new_provider(
    environ: Mapping[str, str],
    *,
    service_name: str,
    roots: Sampler,
    ids: IdGenerator | None = None,
    secrets: Iterable[str] = (),
) -> TracerProvider:
    """Return a new provider, which exports if the environment names an endpoint.

    Args:
        environ: the standard OTEL_* settings.
        service_name: the service's name, unless OTEL_SERVICE_NAME sets one.
        roots: samples the traces that begin here, unless OTEL_TRACES_SAMPLER names a sampler; the
            decision of a caller's trace is kept.
        ids: generates ids of traces and spans; random ones by default.
        secrets: values that are masked in spans, beside the secrets of the environment.
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
    """Set the process's tracer provider, unless one is set already.

    Without an endpoint no span is exported, but trace ids exist all the same.

    Args:
        environ: the standard OTEL_* settings.
        service_name: this process's name, unless OTEL_SERVICE_NAME sets one.
        sampled_share: share of the traces beginning here that are sampled, 0 to 1.
        secrets: as for `new_provider`.

    Returns:
        The provider in use, to be shut down at the end so that no span is lost; None with
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


class ScrubbingExporter(SpanExporter):
    """Exports scrubbed copies of spans by another exporter.

    Args:
        inner: the other exporter.
        redact: masks known secrets in a text.
    """

    def __init__(self, inner: SpanExporter, redact: Redactor) -> None:
        self._inner = inner
        self._redact = redact

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export scrubbed copies of spans."""
        return self._inner.export([_scrub(span, self._redact) for span in spans])

    def shutdown(self) -> None:
        """Shut the inner exporter down."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter."""
        return self._inner.force_flush(timeout_millis)


def _scrub(span: ReadableSpan, redact: Redactor) -> ReadableSpan:
    # By copies: the SDK's spans are shared by all processors and must not be changed.
    events = [
        Event(event.name, _scrub_attributes(event.attributes or {}, redact), event.timestamp)
        for event in span.events
    ]
    return ReadableSpan(
        name=redact(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_scrub_attributes(span.attributes or {}, redact),
        events=events,
        links=span.links,
        kind=span.kind,
        # Without its description, which is the text of an exception.
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _scrub_attributes(
    attributes: Mapping[str, AttributeValue], redact: Redactor
) -> dict[str, AttributeValue]:
    return {
        name: _scrub_value(name, value, redact)
        for name, value in attributes.items()
        if name not in DROPPED and not name.startswith(DROPPED_PREFIXES)
    }


def _scrub_value(name: str, value: AttributeValue, redact: Redactor) -> AttributeValue:
    if isinstance(value, str):
        return redact(value.partition("?")[0] if name in URLS else value)
    if isinstance(value, Sequence):
        return [redact(each) if isinstance(each, str) else each for each in value]
    return value
