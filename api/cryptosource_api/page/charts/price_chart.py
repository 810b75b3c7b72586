"""The chart of prices over time, with a line for each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from statistics import median

from cryptosource_api.page import value_formats
from cryptosource_api.page.charts import pixels

GAP_FACTOR = 8
"""A line has a gap where nothing was observed for that many median intervals."""
FEW_POINTS = 3
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
DIGIT_WIDTH = 7
"""Pixels of a digit in the axis' labels."""

Point = tuple[datetime, Decimal]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A tick of an axis."""

    at: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One source's prices."""

    paths: Sequence[str]
    """Points of polylines; more than one if there are gaps."""
    dots: Sequence[tuple[str, str]]
    """The last point, and points between two gaps."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The area of the lines within the chart."""

    width: int
    height: int
    left: int
    right: int
    top: int = 12
    foot: int = 26

    @property
    def bottom(self) -> int:
        """Pixel of the time axis."""
        return self.height - self.foot

    @property
    def end(self) -> int:
        """Pixel of the right edge of the lines."""
        return self.width - self.right


@dataclass(frozen=True, kw_only=True)
class PriceChart:
    """The geometry of the chart."""

    frame: Frame
    times: Sequence[Tick]
    prices: Sequence[Tick]
    lines: Sequence[Line]


def price_chart(
    series: Sequence[Sequence[Point]], *, start: datetime, end: datetime, width: int, height: int
) -> PriceChart | None:
    """Return the chart; None if there are no points.

    Args:
        series: the points of each source, by time.
        start: time of the left edge.
        end: time of the right edge, later than `start`.
        width: of the chart, in pixels.
        height: of the chart, in pixels.
    """
    values = [value for points in series for _, value in points]
    if not values:
        return None
    low, high = _pad(min(values), max(values))
    ticks = price_ticks(low, high, at_most=7)
    labels = price_labels(ticks)
    left = max(map(len, labels), default=0) * DIGIT_WIDTH + 14
    frame = Frame(width=width, height=height, left=left, right=12)

    def x(moment: datetime) -> Decimal:
        share = Decimal((moment - start) / (end - start))
        return frame.left + share * (frame.end - frame.left)

    def y(value: Decimal) -> Decimal:
        return frame.bottom - (value - low) / (high - low) * (frame.bottom - frame.top)

    # A label of the time axis needs some 75 pixels.
    places = max(2, (frame.end - frame.left) // 75)
    return PriceChart(
        frame=frame,
        times=[Tick(at=pixels(x(at)), label=label) for at, label in time_ticks(start, end, places)],
        prices=[
            Tick(at=pixels(y(at)), label=label) for at, label in zip(ticks, labels, strict=True)
        ],
        lines=[_line(points, [(x(at), y(value)) for at, value in points]) for points in series],
    )


def _pad(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    margin = (high - low) * Decimal("0.06") or abs(high) * Decimal("0.01") or Decimal(1)
    # An axis of prices does not begin below zero.
    return max(low - margin, Decimal(0)) if low >= 0 else low - margin, high + margin


def price_ticks(low: Decimal, high: Decimal, *, at_most: int) -> list[Decimal]:
    """Return round prices in a range, at equal distances of 1, 2, 2.5 or 5 of a power of ten."""
    rough = (high - low) / at_most
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(each * power for each in STEPS if each * power >= rough)
    first = (low / step).to_integral_value(ROUND_CEILING)
    return [(first + place) * step for place in range(at_most + 1) if (first + place) * step < high]


def price_labels(ticks: Sequence[Decimal]) -> list[str]:
    """Return the ticks' labels, all with the decimals that the finest tick needs."""
    largest = max(map(abs, ticks), default=Decimal(0))
    normal = [tick.normalize() for tick in ticks]
    places = max((-int(tick.as_tuple().exponent) for tick in normal), default=0)
    if largest >= Decimal(10) ** 9:
        return [f"${value_formats.short(tick)}" for tick in ticks]
    if places > 9:  # noqa: PLR2004 - too long to be read as a decimal
        return [f"${value_formats.scientific(tick)}" if tick else "$0" for tick in ticks]
    return [f"${tick:,.{max(places, 0)}f}" for tick in ticks]


def time_ticks(start: datetime, end: datetime, at_most: int) -> list[tuple[datetime, str]]:
    """Return round times in a range, in UTC, with labels."""
    span = end - start
    rough = span / at_most
    for hours in (1, 2, 3, 4, 6, 12):
        if timedelta(hours=hours) >= rough:
            return _label_ticks(start, end, timedelta(hours=hours), "%H:%M")
    for days in (1, 2, 3, 5, 7, 10, 14, 28, 60, 91, 182, 365, 730, 1826, 3652):
        if timedelta(days=days) >= rough:
            pattern = "%-d %b" if span < timedelta(days=300) else "%b %Y"
            return _label_ticks(start, end, timedelta(days=days), pattern)
    return []


def _label_ticks(
    start: datetime, end: datetime, step: timedelta, pattern: str
) -> list[tuple[datetime, str]]:
    midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight
    ticks = []
    while moment <= end:
        if moment >= start:
            # Labels of hours alone would not say which day it is.
            own = "%-d %b" if pattern == "%H:%M" and moment.hour == 0 else pattern
            ticks.append((moment, f"{moment:{own}}"))
        moment += step
    return ticks


def _line(points: Sequence[Point], places: Sequence[tuple[Decimal, Decimal]]) -> Line:
    written = [(pixels(x), pixels(y)) for x, y in places]
    runs: list[list[tuple[str, str]]] = []
    limit = _gap_limit(points)
    for place, point in enumerate(written):
        if not place or points[place][0] - points[place - 1][0] > limit:
            runs.append([])
        runs[-1].append(point)
    alone = [run[0] for run in runs if len(run) == 1]
    return Line(
        paths=[" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1],
        dots=list(dict.fromkeys([*alone, *written[-1:]])),
    )


def _gap_limit(points: Sequence[Point]) -> timedelta:
    """Return the longest interval without an observation that is no gap."""
    gaps = [(b[0] - a[0]).total_seconds() for a, b in pairwise(points)]
    # The median: one long outage must not make all others look usual.
    if len(gaps) < FEW_POINTS:
        return timedelta.max
    return timedelta(seconds=median(gaps) * GAP_FACTOR)
