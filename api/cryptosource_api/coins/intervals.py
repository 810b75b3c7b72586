"""The parameter `interval`: the width of the buckets of a down-sampled history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from sqlalchemy import Connection

from cryptosource_api.http.problems import InvalidRequest, Mistake
from cryptosource_api.http.timestamps import DAWN, DUSK
from cryptosource_store.statements.candles import newest_observation

MAX_BUCKETS = 10_000
"""Most buckets of a request's range, for each source."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WRONG = (
    "write minutes, hours or a day that divide a day: 1m, 5m, 15m, 1h, 4h, 1d, or in ISO 8601 "
    "PT1M, PT1H, P1D"
)
_UNITS = {"m": timedelta(minutes=1), "h": HOUR, "d": DAY}
_SHORT = re.compile(r"([1-9]\d{0,3})(m|h|d)", re.ASCII)
_ISO = re.compile(r"P(?:([1-9]\d{0,3})D|T([1-9]\d{0,3})H|T([1-9]\d{0,3})M)", re.ASCII)


def parse_interval(text: str) -> timedelta:
    """Return the interval that a text denotes.

    Raises:
        ValueError: it is not one that divides a day; the message says what to write.
    """
    if short := _SHORT.fullmatch(text.lower()):
        interval = int(short[1]) * _UNITS[short[2]]
    elif iso := _ISO.fullmatch(text.upper()):
        days, hours, minutes = (int(part or 0) for part in iso.groups())
        interval = timedelta(days=days, hours=hours, minutes=minutes)
    else:
        raise ValueError(WRONG)
    if not interval or interval > DAY or DAY % interval:
        raise ValueError(WRONG)
    return interval


def _divisors(number: int) -> str:
    return "|".join(str(each) for each in range(1, number + 1) if number % each == 0)


PATTERN = (
    f"^((({_divisors(24 * 60)})[mM]|({_divisors(24)})[hH]|1[dD])"
    f"|[pP](1[dD]|[tT](({_divisors(24)})[hH]|({_divisors(24 * 60)})[mM])))$"
)
"""Pattern of all valid intervals, for the description."""


def _to_interval(value: object) -> object:
    return parse_interval(value) if isinstance(value, str) else value


Interval = Annotated[
    timedelta,
    BeforeValidator(_to_interval),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["5m", "1h", "1d", "PT15M"]}),
]
INTERVAL: Any = Field(
    default=None,
    description="Down-sample: open, high, low, close, last and count of each interval (1m to 1d, "
    "dividing a day) and source. Buckets are half-open and begin at midnight UTC.",
)


def bucket_range(
    connection: Connection, bound: dict[str, Any], interval: timedelta
) -> dict[str, Any]:
    """Return a history's bind parameters, with a range of at most `MAX_BUCKETS` buckets.

    An open range ends with the newest observation, and begins as long before as is allowed.

    Args:
        connection: to read with.
        bound: bind parameters, among them `start` and `end`; DAWN and DUSK leave the range open.
        interval: width of a bucket.

    Raises:
        InvalidRequest: the requested range has more buckets.
    """
    start, end = bound["start"], bound["end"]
    if start == DAWN or end == DUSK:
        newest = connection.scalar(newest_observation(as_of="as_of" in bound), bound)
        end = max(newest or start, start)
    span = (MAX_BUCKETS - 1) * interval
    if start == DAWN:
        # Compared as durations: the difference of the dates themselves may be before year 1.
        start = _begin_of_bucket(max(end - DAWN, span) - span + DAWN, interval)
    elif end - start > span + interval:
        raise InvalidRequest(Mistake(parameter="interval", detail=_too_many(end - start)))
    return {**bound, "start": start, "end": end, "interval": f"{interval.total_seconds():.0f} s"}


def _begin_of_bucket(moment: datetime, interval: timedelta) -> datetime:
    return moment - (moment - DAWN) % interval


def _too_many(span: timedelta) -> str:
    hours = next((each for each in _hours_of_a_day() if MAX_BUCKETS * each >= span), None)
    wider = f", or choose {hours // HOUR}h or wider" if hours else ""
    return f"more than {MAX_BUCKETS} intervals lie in the range; narrow it{wider}"


def _hours_of_a_day() -> Iterator[timedelta]:
    """Yield the hours that divide a day, the narrowest first."""
    return (hours * HOUR for hours in range(1, DAY // HOUR + 1) if not DAY % (hours * HOUR))
