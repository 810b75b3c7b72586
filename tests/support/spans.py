"""Spans of a test, caught in this process."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from cryptosource_telemetry.redaction import Redactor
from cryptosource_telemetry.tracing import ScrubbingExporter


class CaughtSpans:
    """A provider of its own, and what it has exported."""

    def __init__(
        self,
        *,
        redact: Redactor | None = None,
        sampler: Sampler | None = None,
        ids: IdGenerator | None = None,
    ) -> None:
        self._memory = InMemorySpanExporter()
        exporter: SpanExporter = self._memory
        if redact is not None:
            exporter = ScrubbingExporter(self._memory, redact)
        self.provider = TracerProvider(sampler=sampler, id_generator=ids)
        self.provider.add_span_processor(SimpleSpanProcessor(exporter))

    @property
    def all(self) -> list[ReadableSpan]:
        """Return the spans that have ended, in that order."""
        return list(self._memory.get_finished_spans())

    @property
    def names(self) -> list[str]:
        """Return their names."""
        return [span.name for span in self.all]
