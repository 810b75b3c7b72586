"""Tracing of a run: one span for the run, one per page; exported where OTEL_* says so.

Without an endpoint nothing leaves the process, but trace ids exist all the same, so that logs,
run rows and statuses can be joined.
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
def traced(environ: Mapping[str, str], *, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Trace the runs made within; at the end, whatever it is, no span is lost.

    Args:
        environ: the standard OTEL_* settings.
        secrets: what never shows in a span, beside the secrets of the environment.
    """
    provider = configure_tracing(environ, secrets=secrets)
    try:
        yield
    finally:
        if provider is not None:
            provider.shutdown()


def parent_context(environ: Mapping[str, str]) -> Context:
    """Return the trace that a run which was asked for goes on, from TRACEPARENT."""
    return trace_context.parent_of(environ.get("TRACEPARENT", ""))


def planning_links(environ: Mapping[str, str]) -> tuple[Link, ...]:
    """Return a link to the reconcile that made this run's CronJob, from CRYPTOSOURCE_PLANNED_BY.

    A scheduled run begins a trace of its own: the CronJob's template cannot carry one for each.
    """
    return trace_context.links_to(environ.get("CRYPTOSOURCE_PLANNED_BY", ""))


def trace_id_of(span: Span) -> str | None:
    """Return a span's trace id as 32 hex digits; None when there is no tracing."""
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


@contextmanager
def run_span(
    source: str, source_type: str, parent: Context | None, links: Sequence[Link] = ()
) -> Iterator[Span]:
    """Open the span that holds a whole run."""
    attributes = {"cryptosource.source": source, "cryptosource.source_type": source_type}
    with tracer.start_as_current_span(
        "etl.run", context=parent, attributes=attributes, links=links
    ) as span:
        yield span


@contextmanager
def page_span(records: int) -> Iterator[Span]:
    """Open the span of one page's load."""
    attributes = {"cryptosource.records": records}
    with tracer.start_as_current_span("etl.page", attributes=attributes) as span:
        yield span
