"""A span for each SQL statement, of our own: who is not traced pays one look-up a statement.

The statement is recorded with its placeholders; values are bound and never recorded, and of an
error no more than its SQLSTATE, because Postgres quotes values in its messages. Listeners of
SQLAlchemy see neither a COPY nor what the driver is asked directly: `statement_span` is for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, TracerProvider
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

MAX_TEXT_LENGTH = 8_000
"""Characters of a statement that are recorded."""

MAX_SUMMARY_LENGTH = 255
"""Characters of a summary: OpenTelemetry's conventions allow no more."""

_SEPARATOR = "\n;\n"
"""Between statements that are sent in one message."""

_SCOPE = "cryptosource.sql"
_KEY = "cryptosource.span"
_VERB = re.compile(r"(?:\s|--[^\n]*\n)*(\w+)")
_TARGET = re.compile(r"\b(?:INTO|UPDATE|FROM|COPY)\s+(?:ONLY\s+)?(\w+)")


@lru_cache(maxsize=512)
def summary(statement: str) -> str:
    """Return what is sent in two words a statement, such as `INSERT etl_runs; UPDATE sources`."""
    return "; ".join(map(_summary, statement.split(_SEPARATOR)))[:MAX_SUMMARY_LENGTH]


def _summary(statement: str) -> str:
    verb = _VERB.match(statement)
    target = _TARGET.search(statement)
    words = [verb[1].upper() if verb else "SQL", target[1] if target else ""]
    return " ".join(filter(None, words))


def _begun(statement: str, database: str | None, tracer: trace.Tracer) -> Span:
    attributes = {
        "db.system.name": "postgresql",
        "db.query.text": statement[:MAX_TEXT_LENGTH].strip(),
    }
    if database:
        attributes["db.namespace"] = database
    return tracer.start_span(summary(statement), kind=SpanKind.CLIENT, attributes=attributes)


def _failed(span: Span, error: BaseException | None) -> None:
    code = getattr(error, "pgcode", None)
    span.set_attribute("error.type", type(error).__name__)
    if code:
        span.set_attribute("db.response.status_code", str(code))
    span.set_status(StatusCode.ERROR)


def trace_statements(engine: Engine, provider: TracerProvider | None = None) -> None:
    """Record a span for every statement of an engine that runs within a recorded span.

    Args:
        engine: whose statements.
        provider: makes the spans; the process's by default.
    """
    tracer = trace.get_tracer(_SCOPE, tracer_provider=provider)
    database = engine.url.database

    @event.listens_for(engine, "before_cursor_execute")
    def _before(*told: Any) -> None:
        connection, _, statement = told[:3]
        if trace.get_current_span().is_recording():
            connection.info[_KEY] = _begun(statement, database, tracer)

    @event.listens_for(engine, "after_cursor_execute")
    def _after(*told: Any) -> None:
        connection = told[0]
        connection.info.pop(_KEY, INVALID_SPAN).end()

    @event.listens_for(engine, "handle_error")
    def _error(context: ExceptionContext) -> None:
        if context.connection is None or context.connection.invalidated:
            return
        span = context.connection.info.pop(_KEY, None)
        if span is not None:
            _failed(span, context.original_exception)
            span.end()


@contextmanager
def statement_span(
    statement: str, database: str | None = None, provider: TracerProvider | None = None
) -> Iterator[None]:
    """Record a statement that SQLAlchemy does not see, within a recorded span.

    Args:
        statement: with its placeholders, or `COPY … FROM STDIN`.
        database: its name.
        provider: makes the span; the process's by default.
    """
    if not trace.get_current_span().is_recording():
        yield
        return
    span = _begun(statement, database, trace.get_tracer(_SCOPE, tracer_provider=provider))
    try:
        yield
    except Exception as error:
        _failed(span, error)
        raise
    finally:
        span.end()
