"""Tracing of reconciles: a span for each reconcile that writes something.

A reconcile that writes nothing, as nearly every one, makes no span. The first request that writes
starts the span, back-dated to the start of the reconcile. A Job's trace context comes from it.
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
_current: ContextVar[ReconcileTrace | None] = ContextVar("reconcile_trace", default=None)

_ERROR_FROM = 400
_RESOURCES = ("cryptosources", "cronjobs", "jobs", "pods", "events")


class ReconcileTrace:
    """The span of one reconcile or of one answered request, started when it is first needed.

    Args:
        name: of the span.
        parent: the requester's `traceparent`; empty: a new trace begins here.
        attributes: of the span.
    """

    def __init__(self, name: str, parent: str, attributes: dict[str, str]) -> None:
        self._name, self._parent, self._attributes = name, parent, attributes
        self._began = time.time_ns()
        self._span: Span | None = None

    def span(self) -> Span:
        """Return the span; start it at the first call."""
        if self._span is None:
            self._span = _tracer.start_span(
                self._name,
                context=trace_context.parent_of(self._parent),
                attributes=self._attributes,
                start_time=self._began,
            )
        return self._span

    def end(self, error: BaseException | None = None) -> None:
        """End the span if it was started; an error is recorded by its class."""
        if self._span is None:
            return
        if error is not None:
            # The class alone: a message may hold values that do not belong into a trace.
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


@contextmanager
def trace_operation(name: str, *, parent: str = "", **attributes: str) -> Iterator[ReconcileTrace]:
    """Make the block one operation, to which its requests belong.

    Args:
        name: of the span.
        parent: the requester's `traceparent`; empty: none.
        attributes: of the span; their names are prefixed with `cryptosource.`.
    """
    named = {f"cryptosource.{key}": value for key, value in attributes.items()}
    operation = ReconcileTrace(name, parent, named)
    token = _current.set(operation)
    try:
        yield operation
    except BaseException as error:
        operation.end(error)
        raise
    else:
        operation.end()
    finally:
        _current.reset(token)


def current_traceparent() -> str:
    """Return the current operation's `traceparent`, for a Job; empty without tracing."""
    operation = _current.get()
    return "" if operation is None else trace_context.current_traceparent(operation.span())


@contextmanager
def trace_request(method: str, path: str) -> Iterator[list[int]]:
    """Make a client span of one request to the API server.

    Yields:
        A list to which the sender appends the status code.
    """
    codes: list[int] = []
    operation = _current.get()
    # Reads make no span: an operation that only reads is to leave no trace at all.
    if operation is None or method == "GET":
        yield codes
        return
    bare = path.partition("?")[0]
    kind = next((part for part in reversed(bare.split("/")) if part in _RESOURCES), "")
    parent = trace.set_span_in_context(operation.span())
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
