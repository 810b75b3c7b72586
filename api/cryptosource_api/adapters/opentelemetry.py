"""The inputs of OpenTelemetry's sampling decisions, which its samplers do not expose."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import (
    ParentBased,
    Sampler,
    StaticSampler,
    TraceIdRatioBased,
)

DECIDE_BY_TRACE_ALONE = frozenset({ParentBased, StaticSampler, TraceIdRatioBased})
"""Samplers whose decision depends on trace id, span name and caller alone, not on attributes."""


def root_sampler(sampler: Sampler) -> Sampler | None:
    """Return the sampler for traces without a parent; None if the sampler has no such part."""
    root = getattr(sampler, "_root", None)
    return root if isinstance(root, Sampler) else None


def is_sampled(ratio: TraceIdRatioBased, trace_id: int) -> bool:
    """Return whether a ratio sampler records a trace."""
    # `should_sample` gives the same answer and builds a result object for each request.
    return trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < ratio.bound
