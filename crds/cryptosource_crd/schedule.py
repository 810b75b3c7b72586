"""The due times of schedules, in time zones. Pure: the caller passes the time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim

from cryptosource_crd.cron import CronFields, parse_cron

# As in vendors' examples, where runs every five minutes make 8640 a month.
DAYS_PER_MONTH = 30
"""Days of a usual month."""
MAX_MONTH_DAYS = 31
"""Days for which a monthly quota has to suffice."""

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
# Entries of the database's folder that name no zone, or the machine's own one.
_NOT_ZONES = {"Local", "localtime", "posixrules", "Factory"}


def check_schedule(schedule: str) -> str:
    """Return `schedule` if Kubernetes accepts it.

    Raises:
        ValueError: see `parse_cron`.
    """
    parse_cron(schedule)
    return schedule


def check_time_zone(name: str) -> str:
    """Return `name` if it is an IANA time zone, spelled as in the database.

    Raises:
        ValueError: it is not; nor is `Local`, which depends on the machine.
    """
    if name.lower() == "local":
        raise ValueError("must be an IANA zone such as Europe/Berlin: Local depends on the machine")
    if not _ZONE_NAME.fullmatch(name) or name in _NOT_ZONES or not _exists(name):
        raise ValueError(f"unknown time zone {name[:64]!r}")
    return name


def next_run(schedule: str, time_zone: str, after: datetime) -> datetime:
    """Return the first time strictly later than `after` at which the schedule is due.

    As in Kubernetes, an hour that the zone skips has no run, and one that it repeats has two.

    Args:
        schedule: five cron fields or a macro.
        time_zone: IANA name in which the fields are read.
        after: an aware time.

    Returns:
        An aware time in UTC, on a full minute.

    Raises:
        ValueError: the schedule or the zone is not valid, or `after` is naive.
    """
    if after.tzinfo is None:
        raise ValueError("after must be aware")
    local = after.astimezone(ZoneInfo(check_time_zone(time_zone)))
    return next(CronSim(parse_cron(schedule).expression(), local)).astimezone(UTC)


def runs_per_month(schedule: str, *, days: int = DAYS_PER_MONTH) -> int:
    """Return how often a schedule is due in a month, rounded up.

    Args:
        schedule: five cron fields or a macro.
        days: length of the month.
    """
    # The field of months is ignored: quotas are monthly, so a month with runs is what counts.
    fields = parse_cron(schedule)
    runs = _due_days(fields, days) * len(fields.hours) * len(fields.minutes)
    return -(-runs.numerator // runs.denominator)


def shortest_interval_minutes(schedule: str) -> int:
    """Return the shortest interval between two runs of a day, in minutes; 1440 for one run a day."""
    fields = parse_cron(schedule)
    due = sorted(hour * 60 + minute for hour in fields.hours for minute in fields.minutes)
    return min(
        (b - a for a, b in zip(due, [*due[1:], due[0] + 24 * 60], strict=True)), default=24 * 60
    )


def _due_days(fields: CronFields, days: int) -> Fraction:
    by_date = Fraction(sum(day <= days for day in fields.days))
    by_weekday = Fraction(len(fields.weekdays) * days, 7)
    if fields.any_day and fields.any_weekday:
        return Fraction(days)
    if fields.any_weekday:
        return max(by_date, Fraction(1))
    if fields.any_day:
        return by_weekday
    # Either field makes a day due: days that both match are counted once, as if independent.
    return by_date + by_weekday - by_date * by_weekday / days


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _exists(name: str) -> bool:
    # By the list and not by opening the file: a file system that ignores case would accept
    # europe/berlin.
    return name in _zones()


def known_time_zones() -> frozenset[str]:
    """Return all IANA time zones of this machine, for suggestions."""
    return _zones()
