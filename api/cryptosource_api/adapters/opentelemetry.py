"""What OpenTelemetry's samplers decide by, which they do not show."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import (
    ParentBased,
    Sampler,
    StaticSampler,
    TraceIdRatioBased,
)

DECIDE_BY_TRACE_ALONE = frozenset({ParentBased, StaticSampler, TraceIdRatioBased})
"""Samplers whose decision depends on trace id, span name and caller, and on nothing collected later."""


def root_sampler(sampler: Sampler) -> Sampler | None:
    """Return the sampler that decides on traces without a parent; None where it cannot be told."""
    root = getattr(sampler, "_root", None)
    return root if isinstance(root, Sampler) else None


def takes(ratio: TraceIdRatioBased, trace_id: int) -> bool:
    """Return whether a ratio sampler records a trace, without making a result object of it."""
    return trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < ratio.bound
