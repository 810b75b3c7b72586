"""Trace contexts as text (W3C Trace Context), as they travel in headers, rows and annotations."""

from __future__ import annotations

import re

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, TraceFlags

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED = int(TraceFlags.SAMPLED)


def traceparent_of(context: SpanContext) -> str:
    """Return a span's context as a `traceparent`; empty for one that is none."""
    if not context.is_valid:
        return ""
    flags = context.trace_flags & SAMPLED
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"


def current_traceparent(span: Span | None = None) -> str:
    """Return the `traceparent` of a span, of the current one by default; empty without any."""
    return traceparent_of((span or trace.get_current_span()).get_span_context())


def parsed(traceparent: str) -> SpanContext | None:
    """Return the context that a text names; None when it names none."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None:
        return None
    context = SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16) & SAMPLED),
    )
    return context if context.is_valid else None


def parent_of(traceparent: str) -> Context:
    """Return the context that a span of the named trace begins in; of no trace if it names none."""
    context = parsed(traceparent)
    return Context() if context is None else trace.set_span_in_context(NonRecordingSpan(context))


def links_to(traceparent: str) -> tuple[Link, ...]:
    """Return a link to the named span; none if the text names none."""
    context = parsed(traceparent)
    return () if context is None else (Link(context),)
