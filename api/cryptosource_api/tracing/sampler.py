"""Which requests are traced, decided before anything is done for a span.

OpenTelemetry's middleware looks for the route, collects a dozen attributes and counts before it asks
the sampler, and then throws all of that away for nine requests in ten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextvars import ContextVar

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
)
from opentelemetry.util.types import Attributes
from starlette.types import ASGIApp, Receive, Scope, Send

from cryptosource_api.adapters.opentelemetry import DECIDE_BY_TRACE_ALONE, root_sampler, takes
from cryptosource_api.http.cache_lookup import CacheLookup
from cryptosource_api.http.request_context import TRACE_KEY, context_of

UNTRACED = ("/health", "/metrics")
"""Below these are probes and scrapes, which have no trace."""

KEPT: Attributes = {"cryptosource.kept": True}
"""Tells a `RequestSampler` that the answer comes out of memory."""

_NOBODY = Context()

_chosen: ContextVar[int] = ContextVar("chosen_trace_id", default=0)


class RequestSampler(Sampler):
    """Samples a share of the reads, and whatever sets something going.

    Args:
        share: of the reads.
        kept: of those that are answered out of memory; no more than `share`, so that whoever asks
            again without knowing where the answer comes from decides the same.
    """

    def __init__(self, share: float, *, kept: float | None = None) -> None:
        self._reads = TraceIdRatioBased(share)
        self._kept = TraceIdRatioBased(share if kept is None else kept)

    def should_sample(  # noqa: PLR0917 - the signature is OpenTelemetry's
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide by the span's name, which begins with the method, and by KEPT."""
        reads = self._kept if attributes is KEPT else self._reads
        chosen = ALWAYS_ON if name.startswith("POST ") else reads
        return chosen.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def takes_kept(self, trace_id: int) -> bool:
        """Return whether `should_sample` takes a trace that begins with an answer out of memory."""
        return takes(self._kept, trace_id)

    def get_description(self) -> str:
        """Return the sampler in words."""
        return f"RequestSampler{{{self._reads.get_description()}}}"


class ChosenTraceIds(RandomIdGenerator):
    """Gives the trace that was decided on the id that it was decided by."""

    def generate_trace_id(self) -> int:
        """Return the chosen id, once, or else a random one."""
        chosen = _chosen.get()
        if not chosen:
            return super().generate_trace_id()
        _chosen.set(0)
        return chosen


def can_decide_first(provider: TracerProvider) -> bool:
    """Return whether a decision made beforehand is the one that its tracers will make.

    So it is where trace id, method and caller alone decide. A sampler from elsewhere, which
    OTEL_TRACES_SAMPLER may name, may count, or look at attributes that are not collected yet.
    """
    known = type(provider.sampler) in {*DECIDE_BY_TRACE_ALONE, RequestSampler}
    return known and isinstance(provider.id_generator, ChosenTraceIds)


class EarlySampling:
    """Passes what is sampled on to OpenTelemetry's middleware, and the rest by it.

    A request that is passed by is in a trace all the same: its id is in the log and in the answer,
    and is handed on to what it sets going.

    Args:
        traced: the application within OpenTelemetry's middleware.
        plain: the same application without it.
        kept: what it answers out of memory.
        provider: for which `can_decide_first`.
    """

    def __init__(
        self, *, traced: ASGIApp, plain: ASGIApp, kept: CacheLookup, provider: TracerProvider
    ) -> None:
        self._kept = kept
        self._traced = traced
        self._plain = plain
        self._sampler = provider.sampler
        roots = root_sampler(provider.sampler)
        self._roots = roots if isinstance(roots, RequestSampler) else None
        self._ids = RandomIdGenerator()
        self._callers = {name.lower().encode() for name in propagate.get_global_textmap().fields}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide, and pass on."""
        if scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self._traced(scope, receive, send)
            return
        kept = KEPT if self._kept.find(scope) is not None else None
        parent = self._parent(scope)
        if parent is _NOBODY:
            caller, trace_id = INVALID_SPAN_CONTEXT, self._ids.generate_trace_id()
            if (
                kept is not None
                and self._roots is not None
                and not self._roots.takes_kept(trace_id)
            ):
                await self._pass_by(scope, receive, send, trace_id=trace_id)
                return
        else:
            caller = trace.get_current_span(parent).get_span_context()
            trace_id = caller.trace_id if caller.is_valid else self._ids.generate_trace_id()
        name = f"{scope['method']} "
        decided = self._sampler.should_sample(parent, trace_id, name, SpanKind.SERVER, kept)
        if decided.decision is not Decision.DROP:
            _chosen.set(0 if caller.is_valid else trace_id)
            await self._traced(scope, receive, send)
            return
        if kept is not None:
            await self._pass_by(scope, receive, send, trace_id=trace_id)
            return
        own = SpanContext(
            trace_id,
            self._ids.generate_span_id(),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.DEFAULT),
            trace_state=decided.trace_state,
        )
        token = contexts.attach(trace.set_span_in_context(NonRecordingSpan(own), parent))
        try:
            await self._plain(scope, receive, send)
        finally:
            contexts.detach(token)

    async def _pass_by(self, scope: Scope, receive: Receive, send: Send, *, trace_id: int) -> None:
        """Answer out of memory: nothing is set going, nothing is logged but the request itself."""
        scope[TRACE_KEY] = f"00-{trace_id:032x}-{self._ids.generate_span_id():016x}-00"
        await self._plain(scope, receive, send)

    def _parent(self, scope: Scope) -> Context:
        """Return the context that the caller sent; an empty one without any."""
        if self._callers.isdisjoint(context_of(scope).headers):
            return _NOBODY
        carrier: dict[str, list[str]] = defaultdict(list)
        for name, value in scope["headers"]:
            carrier[name.decode("latin-1")].append(value.decode("latin-1"))
        return propagate.extract(carrier)
