"""A client span for each SQL statement; outside a recorded span it costs one look-up a statement.

A span holds the statement with its placeholders and never the bound values; of an error it holds
the SQLSTATE only, because Postgres quotes values in its messages. SQLAlchemy's events cover neither
COPY nor statements that are sent by the driver directly: `statement_span` is for these.
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

# The limit of OpenTelemetry's semantic conventions for `db.query.summary`.
MAX_SUMMARY_LENGTH = 255
"""Characters of a summary."""

# Between statements that are sent in one message.
_SEPARATOR = "\n;\n"

_SCOPE = "cryptosource.sql"
_KEY = "cryptosource.span"
_VERB = re.compile(r"(?:\s|--[^\n]*\n)*(\w+)")
_TARGET = re.compile(r"\b(?:INTO|UPDATE|FROM|COPY)\s+(?:ONLY\s+)?(\w+)")


@lru_cache(maxsize=512)
def summary(statement: str) -> str:
    """Return verb and table of each statement in a text: `INSERT etl_runs; UPDATE sources`."""
    return "; ".join(map(_summary, statement.split(_SEPARATOR)))[:MAX_SUMMARY_LENGTH]


def _summary(statement: str) -> str:
    verb = _VERB.match(statement)
    target = _TARGET.search(statement)
    words = [verb[1].upper() if verb else "SQL", target[1] if target else ""]
    return " ".join(filter(None, words))


def _start_span(statement: str, database: str | None, tracer: trace.Tracer) -> Span:
    attributes = {
        "db.system.name": "postgresql",
        "db.query.text": statement[:MAX_TEXT_LENGTH].strip(),
    }
    if database:
        attributes["db.namespace"] = database
    return tracer.start_span(summary(statement), kind=SpanKind.CLIENT, attributes=attributes)


def _record_error(span: Span, error: BaseException | None) -> None:
    code = getattr(error, "pgcode", None)
    span.set_attribute("error.type", type(error).__name__)
    if code:
        span.set_attribute("db.response.status_code", str(code))
    span.set_status(StatusCode.ERROR)


def trace_statements(engine: Engine, provider: TracerProvider | None = None) -> None:
    """Record a span for every statement of an engine that runs inside a recorded span.

    Args:
        engine: the engine.
        provider: creates the spans; the process's provider by default.
    """
    tracer = trace.get_tracer(_SCOPE, tracer_provider=provider)
    database = engine.url.database

    @event.listens_for(engine, "before_cursor_execute")
    def _before(*args: Any) -> None:
        connection, _, statement = args[:3]
        if trace.get_current_span().is_recording():
            connection.info[_KEY] = _start_span(statement, database, tracer)

    @event.listens_for(engine, "after_cursor_execute")
    def _after(*args: Any) -> None:
        connection = args[0]
        connection.info.pop(_KEY, INVALID_SPAN).end()

    @event.listens_for(engine, "handle_error")
    def _error(context: ExceptionContext) -> None:
        # Reading `info` of an invalidated connection would make it connect again.
        if context.connection is None or context.connection.invalidated:
            return
        span = context.connection.info.pop(_KEY, None)
        if span is not None:
            _record_error(span, context.original_exception)
            span.end()


@contextmanager
def statement_span(
    statement: str, database: str | None = None, provider: TracerProvider | None = None
) -> Iterator[None]:
    """Record a span for a statement that SQLAlchemy's events do not cover.

    Outside a recorded span it does nothing.

    Args:
        statement: the statement with its placeholders, or `COPY … FROM STDIN`.
        database: the database's name.
        provider: creates the span; the process's provider by default.
    """
    if not trace.get_current_span().is_recording():
        yield
        return
    span = _start_span(statement, database, trace.get_tracer(_SCOPE, tracer_provider=provider))
    try:
        yield
    except Exception as error:
        _record_error(span, error)
        raise
    finally:
        span.end()
