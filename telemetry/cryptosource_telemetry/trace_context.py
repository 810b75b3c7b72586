"""Trace contexts as text (W3C Trace Context), as stored in headers, rows and annotations."""

from __future__ import annotations

import re

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, TraceFlags

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED = int(TraceFlags.SAMPLED)


def traceparent_of(context: SpanContext) -> str:
    """Return a span's context as a `traceparent`; empty for an invalid one."""
    if not context.is_valid:
        return ""
    # Only the sampled flag: the other bits are reserved, or say how the caller made its ids.
    flags = context.trace_flags & SAMPLED
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"


def current_traceparent(span: Span | None = None) -> str:
    """Return the `traceparent` of a span, by default the current one; empty without a span."""
    return traceparent_of((span or trace.get_current_span()).get_span_context())


def parse_traceparent(traceparent: str) -> SpanContext | None:
    """Return the span context of a `traceparent`; None if it is invalid."""
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
    """Return the parent context of a new span in that trace; an empty one if it is invalid."""
    context = parse_traceparent(traceparent)
    return Context() if context is None else trace.set_span_in_context(NonRecordingSpan(context))


def links_to(traceparent: str) -> tuple[Link, ...]:
    """Return a link to the span of a `traceparent`; none if it is invalid."""
    context = parse_traceparent(traceparent)
    return () if context is None else (Link(context),)
