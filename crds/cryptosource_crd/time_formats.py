"""The formats of times in CSV files: a name, or a strptime format."""

from __future__ import annotations

import re
from datetime import datetime

NAMED_FORMATS = ("auto", "iso8601", "unix", "unix_ms", "dmy", "mdy", "ymd")
"""Names a manifest may use instead of a strptime format."""

_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_KNOWN = frozenset("aAwdbBmyYHIpMSfzZjUWcxXGuV%")
_SAMPLE = datetime(2020, 2, 3, 4, 5, 6)  # noqa: DTZ001 - only its text matters


def check_time_format(value: str) -> str:
    """Return `value` if it is the name of a format, or a strptime format with a whole date.

    Raises:
        ValueError: it is neither; the message lists the names.
    """
    if value in NAMED_FORMATS:
        return value
    directives = set(_DIRECTIVE.findall(value))
    if not directives:
        raise ValueError(f"must be one of {', '.join(NAMED_FORMATS)} or a strptime format")
    unknown = sorted(directives - _KNOWN)
    if unknown:
        raise ValueError(f"strptime knows no %{unknown[0]}")
    if not _has_date(directives):
        raise ValueError("must hold year, month and day, such as %Y-%m-%d or %d-%b-%y")
    _check_round_trip(value)
    return value


def _has_date(directives: set[str]) -> bool:
    if directives & {"c", "x"}:
        return True
    year = bool(directives & set("yY"))
    month_and_day = bool(directives & set("mbB")) and "d" in directives
    return year and (month_and_day or "j" in directives)


def _check_round_trip(value: str) -> None:
    try:
        datetime.strptime(_SAMPLE.strftime(value), value)  # noqa: DTZ007 - only whether it parses
    except (ValueError, re.error) as error:
        # The sample is naive, so `strftime` writes nothing for a zone, and strptime wants one.
        if "%z" in value or "%Z" in value:
            return
        raise ValueError(f"strptime cannot read it: {error}") from None
