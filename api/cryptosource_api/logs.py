"""JSON logs: one line an event on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

FIELD_LIMIT = 2_000
"""Characters kept of one field: a hostile query string must not fill a disk."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


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
            **extra,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)[-FIELD_LIMIT:]
        kept = {key: _short(value) for key, value in fields.items() if value is not None}
        return json.dumps(kept)


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send this process's logs to standard error as JSON lines; uvicorn's among them.

    Args:
        level: one of `settings.LOG_LEVELS`.
        stream: where to, if not standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
