"""Traces of what the operator does: a span for a look at a source that changed something.

A look that changes nothing, which is nearly every one, makes no span. The first request that writes
begins it, back-dated to when the look began; what a Job is told of its trace is taken from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from cryptosource_telemetry import trace_context

SERVICE_NAME = "cryptosource-operator"

_tracer = trace.get_tracer("cryptosource.operator")
_current: ContextVar[ReconcileTrace | None] = ContextVar("deed", default=None)

_ERROR_FROM = 400
_RESOURCES = ("cryptosources", "cronjobs", "jobs", "pods", "events")


class ReconcileTrace:
    """What one look at a source, or one answer to a request, does.

    Args:
        name: of the span.
        parent: the `traceparent` of who asked; empty: nobody, so that a trace begins here.
        attributes: of the span.
    """

    def __init__(self, name: str, parent: str, attributes: dict[str, str]) -> None:
        self._name, self._parent, self._attributes = name, parent, attributes
        self._began = time.time_ns()
        self._span: Span | None = None

    def span(self) -> Span:
        """Return the span, begun now if it was not yet."""
        if self._span is None:
            self._span = _tracer.start_span(
                self._name,
                context=trace_context.parent_of(self._parent),
                attributes=self._attributes,
                start_time=self._began,
            )
        return self._span

    def end(self, error: BaseException | None = None) -> None:
        """End the span if there is one."""
        if self._span is None:
            return
        if error is not None:
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


@contextmanager
def doing(name: str, *, parent: str = "", **attributes: str) -> Iterator[ReconcileTrace]:
    """Hold what is done within together; attributes are prefixed with `cryptosource.`."""
    named = {f"cryptosource.{key}": value for key, value in attributes.items()}
    deed = ReconcileTrace(name, parent, named)
    token = _current.set(deed)
    try:
        yield deed
    except BaseException as error:
        deed.end(error)
        raise
    else:
        deed.end()
    finally:
        _current.reset(token)


def current_traceparent() -> str:
    """Return the `traceparent` of what is being done, to be handed on; empty without tracing."""
    deed = _current.get()
    return "" if deed is None else trace_context.current_traceparent(deed.span())


@contextmanager
def calling(method: str, path: str) -> Iterator[list[int]]:
    """Hold one request to the API server; whoever sends it puts the status code into the list."""
    codes: list[int] = []
    deed = _current.get()
    if deed is None or method == "GET":
        yield codes
        return
    bare = path.partition("?")[0]
    kind = next((part for part in reversed(bare.split("/")) if part in _RESOURCES), "")
    parent = trace.set_span_in_context(deed.span())
    attributes = {"http.request.method": method, "url.path": bare}
    name = f"{method} {kind}".rstrip()
    with _tracer.start_as_current_span(
        name, context=parent, kind=SpanKind.CLIENT, attributes=attributes
    ) as span:
        yield codes
        if codes:
            span.set_attribute("http.response.status_code", codes[-1])
            if codes[-1] >= _ERROR_FROM:
                span.set_attribute("error.type", str(codes[-1]))
                span.set_status(StatusCode.ERROR)
