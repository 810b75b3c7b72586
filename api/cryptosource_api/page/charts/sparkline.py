"""The sparkline of a week of prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cryptosource_api.page.charts import pixels

WIDTH, HEIGHT, EDGE = 88, 28, 3


@dataclass(frozen=True, kw_only=True)
class Sparkline:
    """The geometry of the line, and the prices for its description."""

    points: str
    """Points of a polyline."""
    end: tuple[str, str]
    low: Decimal
    high: Decimal
    first: Decimal
    last: Decimal
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(prices: Sequence[Decimal | None]) -> Sparkline | None:
    """Return the line of prices at equal intervals; None if fewer than two are known."""
    known = [(place, value) for place, value in enumerate(prices) if value is not None]
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    values = [value for _, value in known]
    low, high = min(values), max(values)
    spread = high - low
    room = Decimal(HEIGHT - 2 * EDGE)
    stride = Decimal(WIDTH - 2 * EDGE) / (len(prices) - 1)

    def point(place: int, value: Decimal) -> tuple[str, str]:
        share = (value - low) / spread if spread else Decimal("0.5")
        return pixels(EDGE + place * stride), pixels(EDGE + (1 - share) * room)

    drawn = [point(*each) for each in known]
    return Sparkline(
        points=" ".join(f"{x},{y}" for x, y in drawn),
        end=drawn[-1],
        low=low,
        high=high,
        first=values[0],
        last=values[-1],
    )
