"""The sampling of requests, decided before any work is done for a span.

OpenTelemetry's middleware looks up the route, collects a dozen attributes and counts before it asks
the sampler, and throws all of that away for nine requests in ten.
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

from cryptosource_api.adapters.opentelemetry import DECIDE_BY_TRACE_ALONE, is_sampled, root_sampler
from cryptosource_api.http.cache_lookup import CacheLookup
from cryptosource_api.http.request_context import TRACE_KEY, context_of

UNTRACED = ("/health", "/metrics")
"""Paths of probes and scrapes, which have no trace."""

CACHED_ANSWER: Attributes = {"cryptosource.cached": True}
"""Passed to a `RequestSampler` as the attributes of a request that is answered from memory."""

_NO_CALLER = Context()

_chosen_trace_id: ContextVar[int] = ContextVar("chosen_trace_id", default=0)


class RequestSampler(Sampler):
    """Samples a share of the reads, and every request that starts something (POST).

    Args:
        share: of the reads, 0 to 1.
        cached: of the reads that are answered from memory; at most `share`.
    """

    def __init__(self, share: float, *, cached: float | None = None) -> None:
        # Both compare the same trace id with a bound, and the bound of `cached` is the lower one:
        # OpenTelemetry's middleware, which asks again without CACHED_ANSWER, decides the same.
        self._reads = TraceIdRatioBased(share)
        self._cached_reads = TraceIdRatioBased(share if cached is None else cached)

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
        """Decide by the span's name, which begins with the method, and by CACHED_ANSWER."""
        reads = self._cached_reads if attributes is CACHED_ANSWER else self._reads
        chosen = ALWAYS_ON if name.startswith("POST ") else reads
        return chosen.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def samples_cached(self, trace_id: int) -> bool:
        """Return whether `should_sample` samples a trace that begins with a cached answer."""
        return is_sampled(self._cached_reads, trace_id)

    def get_description(self) -> str:
        """Return the sampler's name and parameters."""
        return f"RequestSampler{{{self._reads.get_description()}}}"


class ChosenTraceIds(RandomIdGenerator):
    """Gives a trace that `EarlySampling` has sampled the id that the decision was made for."""

    def generate_trace_id(self) -> int:
        """Return the id of that decision, once, or else a random one."""
        chosen = _chosen_trace_id.get()
        if not chosen:
            return super().generate_trace_id()
        _chosen_trace_id.set(0)
        return chosen


def can_decide_first(provider: TracerProvider) -> bool:
    """Return whether an early decision is certain to be the one that its tracers will make.

    It is if trace id, method and caller alone decide. Another sampler, which OTEL_TRACES_SAMPLER
    may name, may count, or look at attributes that are not collected yet.
    """
    known = type(provider.sampler) in {*DECIDE_BY_TRACE_ALONE, RequestSampler}
    return known and isinstance(provider.id_generator, ChosenTraceIds)


class EarlySampling:
    """Sends sampled requests through OpenTelemetry's middleware, and the others around it.

    A request that is not sampled has a trace id all the same: it is in the log and in the answer,
    and is propagated to the runs that the request asks for.

    Args:
        traced: the application within OpenTelemetry's middleware.
        plain: the same application without it.
        cache_lookup: finds the answers that it gives from memory.
        provider: for which `can_decide_first`.
    """

    def __init__(
        self,
        *,
        traced: ASGIApp,
        plain: ASGIApp,
        cache_lookup: CacheLookup,
        provider: TracerProvider,
    ) -> None:
        self._cache_lookup = cache_lookup
        self._traced = traced
        self._plain = plain
        self._sampler = provider.sampler
        roots = root_sampler(provider.sampler)
        self._roots = roots if isinstance(roots, RequestSampler) else None
        self._ids = RandomIdGenerator()
        self._propagation_headers = {
            name.lower().encode() for name in propagate.get_global_textmap().fields
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide, and call the application with or without OpenTelemetry's middleware."""
        if scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self._traced(scope, receive, send)
            return
        cached = CACHED_ANSWER if self._cache_lookup.find(scope) is not None else None
        parent = self._extract_parent(scope)
        if parent is _NO_CALLER:
            caller, trace_id = INVALID_SPAN_CONTEXT, self._ids.generate_trace_id()
            # The shortest way, as most requests go it: neither a result object nor a context.
            if (
                cached is not None
                and self._roots is not None
                and not self._roots.samples_cached(trace_id)
            ):
                await self._answer_unrecorded(scope, receive, send, trace_id=trace_id)
                return
        else:
            caller = trace.get_current_span(parent).get_span_context()
            trace_id = caller.trace_id if caller.is_valid else self._ids.generate_trace_id()
        name = f"{scope['method']} "
        result = self._sampler.should_sample(parent, trace_id, name, SpanKind.SERVER, cached)
        if result.decision is not Decision.DROP:
            # With a caller the span takes its trace id; only a root span generates one.
            _chosen_trace_id.set(0 if caller.is_valid else trace_id)
            await self._traced(scope, receive, send)
            return
        if cached is not None:
            await self._answer_unrecorded(scope, receive, send, trace_id=trace_id)
            return
        own = SpanContext(
            trace_id,
            self._ids.generate_span_id(),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.DEFAULT),
            trace_state=result.trace_state,
        )
        token = contexts.attach(trace.set_span_in_context(NonRecordingSpan(own), parent))
        try:
            await self._plain(scope, receive, send)
        finally:
            contexts.detach(token)

    async def _answer_unrecorded(
        self, scope: Scope, receive: Receive, send: Send, *, trace_id: int
    ) -> None:
        """Answer from memory, outside any context."""
        # Only the access log and the response header need this trace, so the scope is enough and
        # attaching a context, which costs more than the answer, is spared.
        scope[TRACE_KEY] = f"00-{trace_id:032x}-{self._ids.generate_span_id():016x}-00"
        await self._plain(scope, receive, send)

    def _extract_parent(self, scope: Scope) -> Context:
        """Return the trace context that the caller sent; `_NO_CALLER` without one."""
        if self._propagation_headers.isdisjoint(context_of(scope).headers):
            return _NO_CALLER
        carrier: dict[str, list[str]] = defaultdict(list)
        for name, value in scope["headers"]:
            carrier[name.decode("latin-1")].append(value.decode("latin-1"))
        return propagate.extract(carrier)
