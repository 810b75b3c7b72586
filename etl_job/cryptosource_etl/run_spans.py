"""Tracing of runs: one span for a run and one for each page, exported as OTEL_* says.

Without an endpoint no span is exported, but trace ids exist all the same, so that logs, run rows
and statuses can be joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, format_trace_id

from cryptosource_telemetry import trace_context, tracing

SERVICE_NAME = "cryptosource-etl"

tracer = trace.get_tracer("cryptosource.etl")


def configure_tracing(
    environ: Mapping[str, str], *, secrets: Iterable[str] = ()
) -> TracerProvider | None:
    """Trace every run of this process; see `cryptosource_telemetry.tracing`."""
    return tracing.configure_tracing(
        environ, service_name=SERVICE_NAME, sampled_share=1.0, secrets=secrets
    )


@contextmanager
def trace_runs(environ: Mapping[str, str], *, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Trace the runs made inside the block; however it ends, all spans are exported.

    Args:
        environ: the standard OTEL_* settings.
        secrets: values that are masked in spans, beside the secrets of the environment.
    """
    provider = configure_tracing(environ, secrets=secrets)
    try:
        yield
    finally:
        if provider is not None:
            provider.shutdown()


def parent_context(environ: Mapping[str, str]) -> Context:
    """Return the parent context of a requested run, from TRACEPARENT."""
    return trace_context.parent_of(environ.get("TRACEPARENT", ""))


def planning_links(environ: Mapping[str, str]) -> tuple[Link, ...]:
    """Return a link to the reconcile that wrote this run's CronJob, from CRYPTOSOURCE_PLANNED_BY."""
    # A link and no parent: all runs of a CronJob share its template, and each has its own trace.
    return trace_context.links_to(environ.get("CRYPTOSOURCE_PLANNED_BY", ""))


def trace_id_of(span: Span) -> str | None:
    """Return a span's trace id as 32 hex digits; None without tracing."""
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


@contextmanager
def run_span(
    source: str, source_type: str, parent: Context | None, links: Sequence[Link] = ()
) -> Iterator[Span]:
    """Open the span of a whole run."""
    attributes = {"cryptosource.source": source, "cryptosource.source_type": source_type}
    with tracer.start_as_current_span(
        "etl.run", context=parent, attributes=attributes, links=links
    ) as span:
        yield span


@contextmanager
def page_span(records: int) -> Iterator[Span]:
    """Open the span of loading one page."""
    attributes = {"cryptosource.records": records}
    with tracer.start_as_current_span("etl.page", attributes=attributes) as span:
        yield span
