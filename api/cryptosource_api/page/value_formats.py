"""Formatting of values for people. Pure; pages have the exact value as a title."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

UNKNOWN = "–"

MINUTE, HOUR, DAY = 60, 3600, 86_400
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SCALES = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"))
FOUR_DIGITS = Context(prec=4, rounding=ROUND_HALF_EVEN)
_WIDEST = Decimal(10) ** 15
_NARROWEST = Decimal(10) ** -9


def exact(amount: Decimal | int | None) -> str:
    """Return every digit, with separators of thousands and no exponent."""
    return "unknown" if amount is None else f"{Decimal(amount):,f}"


def plain(amount: Decimal | int) -> str:
    """Return every digit, without separators or exponent, for a program."""
    return f"{Decimal(amount):f}"


def price(amount: Decimal | int | None) -> str:
    """Return a price in dollars: two decimals from 100 up, below five significant digits, or four."""
    if amount is None:
        return UNKNOWN
    amount = Decimal(amount)  # a whole number comes out of JSON as an int
    if amount == 0:
        return "$0"
    if amount >= _WIDEST or amount < _NARROWEST:
        return f"${scientific(amount)}"
    digits = 5 if amount >= Decimal("0.01") else 4
    places = 2 if amount >= 100 else digits - 1 - amount.adjusted()  # noqa: PLR2004
    return f"${amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):,f}"


def short(amount: Decimal | int | None) -> str:
    """Return a large amount in three digits and a letter: 1.92T, 24.5B, 813K."""
    if amount is None:
        return UNKNOWN
    amount = Decimal(amount)
    if amount == 0:
        return "0"
    if abs(amount) >= _WIDEST or abs(amount) < _NARROWEST:
        return scientific(amount)
    for scale, letter in (*_SCALES, (Decimal(1000), "K")):
        if abs(amount) >= scale:
            return f"{_three_digits(amount / scale):f}{letter}"
    return f"{amount:f}" if amount == amount.to_integral() else f"{_three_digits(amount):f}"


def _three_digits(amount: Decimal) -> Decimal:
    places = max(0, 2 - amount.adjusted())
    return amount.quantize(Decimal(1).scaleb(-min(places, 12)), ROUND_HALF_EVEN)


def scientific(amount: Decimal) -> str:
    """Return `1.235 × 10⁻¹⁸`."""
    rounded = FOUR_DIGITS.plus(amount)  # first: 9.9996 becomes 10, which is the next power
    mantissa = rounded.scaleb(-rounded.adjusted())
    power = str(rounded.adjusted()).translate(_SUPERSCRIPTS)
    return f"{mantissa.normalize():f} × 10{power}"


def percent(amount: Decimal | int | None, *, signed: bool = True) -> str:
    """Return `+5.76 %`, with a true minus; changes beyond 1000 % without decimals."""
    if amount is None:
        return UNKNOWN
    amount = Decimal(amount)
    places = "1" if abs(amount) >= 1000 else "0.01"  # noqa: PLR2004
    if abs(amount) >= _WIDEST:
        number = scientific(abs(amount))
    else:
        number = f"{abs(amount).quantize(Decimal(places), ROUND_HALF_EVEN):,f}"
    sign = "−" if amount < 0 else "+" if signed and amount > 0 else ""
    return f"{sign}{number} %"


def duration(seconds: Decimal | float | None) -> str:
    """Return a length of time in its two largest units: 0.3 s, 48 s, 2 min 5 s, 3 d 2 h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:  # noqa: PLR2004 - tenths are of use for short times alone
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    for larger, smaller, names in (
        (DAY, HOUR, ("d", "h")),
        (HOUR, MINUTE, ("h", "min")),
        (MINUTE, 1, ("min", "s")),
    ):
        if whole >= larger:
            rest = whole % larger // smaller
            return f"{whole // larger:,} {names[0]}" + (f" {rest} {names[1]}" if rest else "")
    raise AssertionError("every length is at least a minute here")


def _largest_unit(seconds: float) -> str:
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size):,} {name}"
    return f"{int(seconds)} s"


def relative(moment: datetime | None, now: datetime) -> str:
    """Return how far a moment is from now: `3 min ago`, `in 2 h`; a date beyond 60 days."""
    if moment is None:
        return "never"
    gap = (now - moment).total_seconds()
    if abs(gap) > 60 * DAY:
        return f"{moment.astimezone(UTC):%-d %b %Y}"
    if abs(gap) < 3:  # noqa: PLR2004 - seconds
        return "now"
    return f"{_largest_unit(gap)} ago" if gap > 0 else f"in {_largest_unit(-gap)}"


def absolute(moment: datetime | None) -> str:
    """Return a moment in UTC to the second."""
    return "unknown" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine(moment: datetime) -> str:
    """Return a moment for a `datetime` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock_time(moment: datetime, now: datetime) -> str:
    """Return `14:05` today, `Tue 14:05` within a week, else the date, all in UTC."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if abs(moment - now) < timedelta(days=6):
        return f"{moment:%a %H:%M}"
    return f"{moment:%-d %b %Y}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return `1 run`, `2 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
