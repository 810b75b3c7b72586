"""Cron schedules of five fields, parsed as Kubernetes parses them.

Kubernetes uses robfig/cron v3 (`ParseStandard`), which accepts less than most crons: Sunday is 0
and never 7, there is no L, W or #, and `N/step` means from N to the end.
"""

from __future__ import annotations

from dataclasses import dataclass

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names that Kubernetes accepts instead of the five fields -> the fields of each."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Days of the months that have fewer than 31; February counts as in a leap year.
_MONTH_DAYS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """Return the value of a number or of a name such as `mon`."""
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if not (text.isascii() and text.isdigit()) or len(text) > 9:  # noqa: PLR2004 - 32 bits
            choices = f" or {self.names[0].upper()}-{self.names[-1].upper()}" if self.names else ""
            raise ValueError(
                f"{self.name}: {text!r} is not a number from {self.low} to {self.high}{choices}"
            )
        return int(text)


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class CronFields:
    """A parsed schedule: the set of values of each field."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    # With a star in neither of the two day fields, a day that matches either one is due.
    any_day: bool
    """Day of month is a star, so that only the day of week counts."""
    any_weekday: bool
    """Day of week is a star, so that only the day of month counts."""

    def expression(self) -> str:
        """Return the same schedule for cronsim, in six fields with the seconds first."""
        # Numbers are listed one by one, because cronsim counts `*/2` as a star and Kubernetes does
        # not. With a field of seconds, cronsim does not move runs around a change of the clock;
        # Kubernetes does not either.
        days = "*" if self.any_day else _join_numbers(self.days)
        weekdays = "*" if self.any_weekday else _join_numbers(self.weekdays)
        times = " ".join(map(_join_numbers, (self.minutes, self.hours)))
        return f"0 {times} {days} {_join_numbers(self.months)} {weekdays}"


def parse_cron(schedule: str) -> CronFields:
    """Parse a schedule.

    Args:
        schedule: five fields, or one of `MACROS`.

    Raises:
        ValueError: Kubernetes would refuse it, or it is never due; the message says why.
    """
    text = schedule.strip()
    if "TZ" in text:
        raise ValueError("must not set TZ= or CRON_TZ=: use timeZone instead")
    if text.startswith("@"):
        text = _expand_macro(text)
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise ValueError(
            "needs five fields (minute, hour, day of month, month, day of week),"
            f" not {len(fields)}{'; seconds do not exist here' if len(fields) > len(FIELDS) else ''}"
        )
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = (
        _parse_field(part, field) for part, field in zip(fields, FIELDS, strict=True)
    )
    # With a day of week too, a day that no month has does no harm.
    if any_weekday and not any(min(days) <= _MONTH_DAYS.get(month, 31) for month in months):
        raise ValueError("never comes due: no such day in these months")
    return CronFields(minutes, hours, days, months, weekdays, any_day, any_weekday)


def _expand_macro(text: str) -> str:
    if text not in MACROS:
        raise ValueError(f"unknown name {text[:20]!r}: there are {', '.join(MACROS)}")
    return MACROS[text]


def _parse_field(text: str, field: _Field) -> tuple[frozenset[int], bool]:
    numbers: set[int] = set()
    star = False
    for part in text.split(","):
        if not part:
            raise ValueError(f"{field.name}: {text!r} has an empty part between commas")
        part_numbers, part_star = _parse_part(part, field)
        numbers |= part_numbers
        star = star or part_star
    return frozenset(numbers), star


def _parse_part(part: str, field: _Field) -> tuple[set[int], bool]:
    span, slash, step_text = part.partition("/")
    low_text, dash, high_text = span.partition("-")
    star = span in {"*", "?"}
    if star:
        low, high = field.low, field.high
    else:
        low = field.number(low_text)
        high = field.number(high_text) if dash else field.high if slash else low
    _check_bounds(part, field, low=low, high=high)
    step = _parse_step(step_text, field) if slash else 1
    # robfig/cron keeps its star for `*/1` and drops it for any larger step.
    return set(range(low, high + 1, step)), star and step == 1


def _check_bounds(part: str, field: _Field, *, low: int, high: int) -> None:
    for number in (low, high):
        if not field.low <= number <= field.high:
            sunday = " (Sunday is 0)" if field.names is _DAYS and number == len(_DAYS) else ""
            raise ValueError(
                f"{field.name}: {number} is not within {field.low}-{field.high}{sunday}"
            )
    if low > high:
        raise ValueError(f"{field.name}: the range {part!r} ends before it begins")


def _parse_step(text: str, field: _Field) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) == 0:  # noqa: PLR2004
        raise ValueError(f"{field.name}: the step {text!r} must be a number of 1 or more")
    return int(text)


def _join_numbers(numbers: frozenset[int]) -> str:
    return ",".join(map(str, sorted(numbers)))
