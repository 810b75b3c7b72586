"""Nothing secret in a span, whoever made it: the one place that all spans leave through.

Query strings, headers, statement parameters and the words of exceptions go; known secrets are
blotted out of the rest. It happens in the exporting thread, for sampled spans alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from cryptosource_telemetry.redaction import Redactor

URLS = frozenset({"http.url", "http.target", "url.full"})
"""Kept up to their query."""
DROPPED = ("http.request.header.", "http.response.header.", "db.query.parameter.")
DROPPED_WHOLE = frozenset({"url.query", "exception.message", "exception.stacktrace"})


class ScrubbingExporter(SpanExporter):
    """Hands spans on without what they must not tell.

    Args:
        inner: whom to hand them to.
        redact: blots known secrets out.
    """

    def __init__(self, inner: SpanExporter, redact: Redactor) -> None:
        self._inner = inner
        self._redact = redact

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export scrubbed copies."""
        return self._inner.export([scrubbed(span, self._redact) for span in spans])

    def shutdown(self) -> None:
        """Shut the inner exporter down."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter."""
        return self._inner.force_flush(timeout_millis)


def scrubbed(span: ReadableSpan, redact: Redactor) -> ReadableSpan:
    """Return a copy of a span that is fit to leave the process."""
    events = [
        Event(event.name, _clean(event.attributes or {}, redact), event.timestamp)
        for event in span.events
    ]
    return ReadableSpan(
        name=redact(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_clean(span.attributes or {}, redact),
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),  # its description is an exception's words
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean(attributes: Mapping[str, AttributeValue], redact: Redactor) -> dict[str, AttributeValue]:
    return {
        name: _value(name, value, redact)
        for name, value in attributes.items()
        if name not in DROPPED_WHOLE and not name.startswith(DROPPED)
    }


def _value(name: str, value: AttributeValue, redact: Redactor) -> AttributeValue:
    if isinstance(value, str):
        return redact(value.partition("?")[0] if name in URLS else value)
    if isinstance(value, Sequence):
        return [redact(each) if isinstance(each, str) else each for each in value]
    return value
