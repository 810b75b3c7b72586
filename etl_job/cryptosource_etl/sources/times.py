"""Times in upstreams' notations, parsed to UTC or rejected with a reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cryptosource_etl.sources.numbers import UNKNOWN, excerpt
from cryptosource_etl.sources.strptime import (
    MONTH_NUMBERS,
    compile_strptime,
    full_year,
    hour_of_day,
)
from cryptosource_store.reasons import RejectReason

EARLIEST = datetime(2009, 1, 3, tzinfo=UTC)
"""The day of the first Bitcoin block: no coin was traded before."""
FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far an upstream's clock may be ahead of ours (docs/faults.md, F61)."""
MAX_LENGTH = 64
"""Longest text that is parsed as a time, in characters."""
# The rows of a snapshot share one time, and the coins of a history share its days.
CACHE_SIZE = 4096
"""Entries of the cache of parsed times."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r" ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
).fullmatch
_SPACED_ZONE = re.compile(r" (?=[Z+-])")
_UNIX = re.compile(r"(?P<whole>[0-9]{1,16})(?:\.(?P<fraction>[0-9]{1,9}))?").fullmatch
# In seconds this is the year 5138, in milliseconds 1973: no market data is ambiguous.
_MILLISECONDS_FROM = 100_000_000_000
_NUMERIC = re.compile(
    r"(?P<first>[0-9]{1,4})(?P<by>[/.-])(?P<second>[0-9]{1,2})(?P=by)(?P<third>[0-9]{1,4})"
    r"(?:[T ] *(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<sec>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?)? ?(?P<meridiem>[AaPp][Mm])?)?"
).fullmatch
_MONTH_NAME = re.compile(
    r"(?:(?P<d1>[0-9]{1,2})[ -](?P<m1>[A-Za-z]{3,9})[ -]|(?P<m2>[A-Za-z]{3,9}) (?P<d2>[0-9]{1,2}),? )"
    r"(?P<year>[0-9]{4})"
).fullmatch

_ORDERS = {
    "dmy": ("third", "second", "first"),
    "mdy": ("third", "first", "second"),
    "ymd": ("first", "second", "third"),
}


class BadTime(NamedTuple):
    """The reason why a text is not a time that can be stored."""

    reason: RejectReason
    detail: str
    """One short sentence, with the value cut short."""


Time = datetime | None | BadTime
"""A time, aware and in UTC; None for unknown; or a rejection."""


def _parse_iso(text: str) -> datetime:
    # `fromisoformat` alone would also accept week dates, dates without hyphens and, in newer
    # releases of Python, the hour 24.
    if not _ISO(text) or text[11:13] == "24":
        raise ValueError("not ISO 8601, such as 2019-12-04 or 2019-12-04T23:59:00Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(_SPACED_ZONE.sub("", text.upper()))


def _parse_unix(text: str, *, unit: str) -> datetime:
    match = _UNIX(text)
    if match is None:
        raise ValueError("not a count of seconds or milliseconds since 1970")
    whole = int(match["whole"])
    thousands = unit == "ms" or (unit == "auto" and whole >= _MILLISECONDS_FROM)
    fraction = int((match["fraction"] or "").ljust(9, "0")[:9])
    if thousands:
        return _EPOCH + timedelta(milliseconds=whole, microseconds=fraction // 1_000_000)
    return _EPOCH + timedelta(seconds=whole, microseconds=fraction // 1_000)


def _year(text: str) -> int:
    if len(text) == 2:  # noqa: PLR2004
        return full_year(int(text))
    if len(text) == 4:  # noqa: PLR2004
        return int(text)
    raise ValueError("a year has two or four digits")


def _parse_numeric(text: str, *, order: str) -> datetime:
    match = _NUMERIC(text)
    if match is None:
        raise ValueError(f"not a numeric date in the order {order}")
    year, month, day = (match[group] for group in _ORDERS[order])
    hour = int(match["hour"] or 0)
    if match["meridiem"]:
        if not 1 <= hour <= 12:  # noqa: PLR2004
            raise ValueError("an hour before am or pm is 1 to 12")
        hour = hour_of_day(hour, match["meridiem"])
    return datetime(  # noqa: DTZ001 - the caller attaches the zone
        _year(year),
        int(month),
        int(day),
        hour,
        int(match["minute"] or 0),
        int(match["sec"] or 0),
        int((match["fraction"] or "").ljust(6, "0")[:6]),
    )


def _parse_month_name(text: str) -> datetime:
    match = _MONTH_NAME(text)
    month = MONTH_NUMBERS.get((match["m1"] or match["m2"]).lower()) if match else None
    if match is None or month is None:
        raise ValueError("in no known format: give one, such as %d-%b-%y")
    return datetime(int(match["year"]), month, int(match["d1"] or match["d2"]))  # noqa: DTZ001


def _parse_auto(text: str) -> datetime:
    """Parse a notation that is unambiguous; day-first or month-first is not guessed."""
    if _ISO(text):
        return _parse_iso(text)
    if _UNIX(text):
        return _parse_unix(text, unit="auto")
    numeric = _NUMERIC(text)
    if numeric is None:
        return _parse_month_name(text)
    if len(numeric["first"]) == 4:  # noqa: PLR2004
        return _parse_numeric(text, order="ymd")
    raise ValueError("day first or month first? Give the format dmy, mdy or a strptime format")


def _select_reader(form: str) -> Callable[[str], datetime]:
    if form in _ORDERS:
        return lambda text: _parse_numeric(text, order=form)
    if form in {"unix", "unix_ms"}:
        unit = "ms" if form == "unix_ms" else "s"
        return lambda text: _parse_unix(text, unit=unit)
    return {"auto": _parse_auto, "iso8601": _parse_iso}.get(form) or compile_strptime(form)


def _bad_time(text: str, why: str) -> BadTime:
    return BadTime(RejectReason.INVALID_TIME, f"{excerpt(text)}: {why}")


def time_parser(form: str = "auto", *, zone: tzinfo = UTC) -> Callable[[str], Time]:
    """Return a function that parses the text of a cell.

    Args:
        form: `auto`, `iso8601`, `unix`, `unix_ms`, `dmy`, `mdy`, `ymd` or a strptime format. `auto`
            reads ISO 8601, seconds and milliseconds (told apart by magnitude), `ymd` and English
            month names with a four-digit year.
        zone: zone of times that carry none. Where clocks go back, the first of the two times is
            taken; a time that clocks skip is read with the offset before the change.
    """
    read = _select_reader(form)

    @lru_cache(maxsize=CACHE_SIZE)
    def parse(text: str) -> Time:
        stripped = text.strip()
        if stripped.lower() in UNKNOWN:
            return None
        if len(stripped) > MAX_LENGTH:
            return _bad_time(text, f"longer than {MAX_LENGTH} characters")
        try:
            moment = read(stripped)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            # The usual case is already in UTC, and a comparison is cheaper than a conversion.
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            return _bad_time(stripped, str(error))

    return parse


def zone_named(name: str) -> tzinfo:
    """Return an IANA time zone."""
    # `UTC` itself for its usual names: `time_parser` need not convert such times.
    return UTC if name in {"UTC", "Etc/UTC"} else ZoneInfo(name)


def check_time(observed_at: datetime, *, latest: datetime) -> BadTime | None:
    """Return the rejection of a time outside the range of market data; None for a time within.

    Args:
        observed_at: aware.
        latest: the newest time that is accepted: now plus `FUTURE_TOLERANCE`.
    """
    if observed_at > latest:
        return BadTime(
            RejectReason.OBSERVED_IN_FUTURE, f"{observed_at.isoformat()} is in the future"
        )
    if observed_at < EARLIEST:
        return BadTime(
            RejectReason.OBSERVED_TOO_EARLY,
            f"{observed_at.isoformat()} is before the first coin: {EARLIEST.date()}",
        )
    return None
