"""Compiled strptime formats, which parse several times faster than `datetime.strptime`.

A compiled format accepts what `datetime.strptime` accepts in the C locale, with the same result.
Formats whose directives depend on weeks or on the locale are left to `datetime.strptime` itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
MONTH_NUMBERS = {name: 1 + index % 12 for index, name in enumerate((*_MONTHS, *_FULL_MONTHS))}
"""English names of months, full and short, in lower case -> 1 to 12."""

# The same alternatives in the same order as in CPython's _strptime: which one matches first decides
# how many digits a directive takes.
_PATTERNS = {
    "d": r"(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])",
    "m": r"(?P<m>1[0-2]|0[1-9]|[1-9])",
    "y": r"(?P<y>\d\d)",
    "Y": r"(?P<Y>\d\d\d\d)",
    "H": r"(?P<H>2[0-3]|[0-1]\d|\d)",
    "I": r"(?P<I>1[0-2]|0[1-9]|[1-9])",
    "M": r"(?P<M>[0-5]\d|\d)",
    "S": r"(?P<S>6[0-1]|[0-5]\d|\d)",
    "f": r"(?P<f>[0-9]{1,6})",
    "p": r"(?P<p>am|pm)",
    "b": f"(?P<b>{'|'.join(_MONTHS)})",
    "B": f"(?P<B>{'|'.join(sorted(_FULL_MONTHS, key=len, reverse=True))})",
    "a": "(?P<a>sun|mon|tue|wed|thu|fri|sat)",
    "A": "(?P<A>sunday|monday|tuesday|wednesday|thursday|friday|saturday)",
    "z": r"(?P<z>[+-]\d\d:?[0-5]\d(?::?[0-5]\d(?:\.\d{1,6})?)?|Z)",
    "%": "%",
}
_PIECES = re.compile(r"%(.)|(\s+)|([^%\s]+)", re.DOTALL)
# As POSIX has it: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068.
_CENTURY_PIVOT = 69
NOON = 12


def full_year(short: int) -> int:
    """Return the year of two digits, by the rule of POSIX."""
    return short + (2000 if short < _CENTURY_PIVOT else 1900)


def hour_of_day(hour: int, meridiem: str) -> int:
    """Return 0 to 23 for an hour of 1 to 12 with `am` or `pm`."""
    return hour % NOON + (NOON if meridiem.lower() == "pm" else 0)


def _compile_pattern(form: str) -> re.Pattern[str] | None:
    """Return the regular expression of a format; None for one that is left to strptime."""
    directives = re.findall(r"%(.)", form, re.DOTALL)
    named = [directive for directive in directives if directive != "%"]
    if set(directives) - _PATTERNS.keys() or len(named) != len(set(named)):
        return None
    # Two directives for one value: strptime has its own rules for which of them counts.
    if (
        {"y", "Y"} <= set(named)
        or {"b", "B"} & {"m"} & set(named)
        or ("H" in named and "I" in named)
    ):
        return None
    parts = []
    for directive, space, literal in _PIECES.findall(form):
        parts.append(_PATTERNS[directive] if directive else r"\s+" if space else re.escape(literal))
    return re.compile("".join(parts), re.IGNORECASE)


def _parse_offset(text: str) -> timezone:
    if text in {"Z", "z"}:
        return UTC
    digits = text[1:].replace(":", "").partition(".")[0]
    delta = timedelta(
        hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6] or 0)
    )
    return timezone(-delta if text[0] == "-" else delta)


def _date_reader(names: frozenset[str]) -> Callable[[dict[str, str]], tuple[int, int, int]]:
    """Return a function that reads year, month and day from a match's named groups."""
    month_key = "m" if "m" in names else "b" if "b" in names else "B"
    year_key = "Y" if "Y" in names else "y"

    def read(groups: dict[str, str]) -> tuple[int, int, int]:
        year = int(groups[year_key])
        month = groups[month_key]
        return (
            year if year_key == "Y" else full_year(year),
            int(month) if month_key == "m" else MONTH_NUMBERS[month.lower()],
            int(groups["d"]),
        )

    return read


def _hour_reader(names: frozenset[str]) -> Callable[[dict[str, str]], int]:
    if "I" in names:
        # Without %p strptime reads %I as the morning.
        return lambda groups: hour_of_day(int(groups["I"]), groups.get("p", "am"))
    return lambda groups: int(groups["H"])


def compile_strptime(form: str) -> Callable[[str], datetime]:
    """Return a parser of one strptime format.

    Args:
        form: the format, with year, month and day.

    Returns:
        A function that returns a datetime, aware if the format has `%z`. It raises ValueError for a
        text that does not match the format or is no valid date.
    """
    pattern = _compile_pattern(form)
    names = frozenset(pattern.groupindex) if pattern else frozenset()
    if pattern is None or not (names & {"y", "Y"} and names & {"m", "b", "B"} and "d" in names):
        return lambda text: datetime.strptime(text, form)  # noqa: DTZ007 - the caller attaches it
    match, date_of = pattern.fullmatch, _date_reader(names)
    timed = bool(names & {"H", "I", "M", "S", "f", "z"})
    hour_of = _hour_reader(names) if names & {"H", "I"} else lambda _: 0

    def parse(text: str) -> datetime:
        matched = match(text)
        if matched is None:
            raise ValueError("not written like that")
        groups = matched.groupdict()
        year, month, day = date_of(groups)
        if not timed:
            return datetime(year, month, day)  # noqa: DTZ001 - the caller attaches the zone
        return datetime(
            year,
            month,
            day,
            hour_of(groups),
            int(groups.get("M", 0)),
            int(groups.get("S", 0)),
            int(groups.get("f", "0").ljust(6, "0")),
            _parse_offset(groups["z"]) if "z" in groups else None,
        )

    return parse
