"""Parsing of times in query parameters: a date, or RFC 3339. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_SPACE_FOR_PLUS = re.compile(r"(:\d\d(?:\.\d{1,6})?) (\d\d:\d\d)$", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
WRONG = "write a date (2026-11-21) or a time (2026-11-21T10:00:00Z); no offset means UTC"


def parse_moment(text: str, *, end_of_day: bool = False) -> datetime:
    """Return the moment that a text denotes, in UTC.

    Args:
        text: a date or a time; without an offset it is UTC.
        end_of_day: a date denotes its last microsecond instead of its first.

    Raises:
        ValueError: it is neither; the message says what to write.
    """
    # A plus sign that is not percent-encoded reaches us as a space.
    text = _SPACE_FOR_PLUS.sub(r"\1+\2", text.strip())
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime.combine(day, time.max if end_of_day else time.min, tzinfo=UTC)
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(WRONG)


def _start(value: object) -> object:
    return parse_moment(value) if isinstance(value, str) else value


def _end(value: object) -> object:
    return parse_moment(value, end_of_day=True) if isinstance(value, str) else value


_SCHEMA = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
        "examples": ["2026-11-21", "2026-11-21T10:00:00Z"],
    }
)
Start = Annotated[datetime, BeforeValidator(_start), _SCHEMA]
"""Start of a range; a date denotes its first moment."""
End = Annotated[datetime, BeforeValidator(_end), _SCHEMA]
"""Inclusive end of a range; a date denotes its last moment."""

DAWN = datetime(1, 1, 1, tzinfo=UTC)
DUSK = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""Bounds of an open range."""
