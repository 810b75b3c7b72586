"""The page of a coin: its price chart, and the views of all sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.coins.queries import coin_reading
from cryptosource_api.http.parameters import Parameters
from cryptosource_api.page.charts.price_chart import Point, PriceChart, price_chart
from cryptosource_api.page.stored_json import parse_answer, parse_times
from cryptosource_store.statements import web_page as sql
from cryptosource_store.statements.coins import HISTORY_SOURCES

RANGES: Mapping[str, timedelta | None] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
POINTS = 240
"""Most points of a source's line."""
MARGIN = timedelta(minutes=1)
"""Added to the outermost observations in the range "all", so that they are within a step."""
LINES = 8
"""Most lines; readers cannot distinguish more."""
WIDE, NARROW = (960, 320), (336, 250)
"""Sizes in pixels of the chart for a desktop and for a phone."""


class CoinParameters(Parameters):
    """Parameters of `/coins/{id}`."""

    range: Literal["24h", "7d", "30d", "all"] | None = Field(default=None)


@dataclass(frozen=True, kw_only=True)
class Series:
    """One source's prices within the range."""

    source_id: int
    name: str
    points: Sequence[Point]

    @property
    def change(self) -> Decimal | None:
        """Change from the first to the last price, in percent."""
        if len(self.points) < 2 or not self.points[0][1]:  # noqa: PLR2004 - from one to another
            return None
        return (self.points[-1][1] / self.points[0][1] - 1) * 100


@dataclass(frozen=True, kw_only=True)
class CoinPage:
    """The content of the page."""

    now: datetime
    coin: Mapping[str, Any]
    chosen: str
    """Name of the range that is shown."""
    start: datetime
    end: datetime
    step: timedelta
    """Between two points of a line."""
    series: Sequence[Series]
    left_out: int
    """Number of sources that are not drawn."""
    charts: Mapping[str, PriceChart]
    ranges: Sequence[str] = tuple(RANGES)

    @property
    def observed(self) -> tuple[datetime, datetime]:
        """Times of the first and the last observation, in the range "all"."""
        return self.start + MARGIN, self.end - MARGIN


def read_coin_page(connection: Connection, coin_id: str, parameters: CoinParameters) -> CoinPage:
    """Return the page of a coin.

    Raises:
        NotFound: no coin has that id, or it has no observation.
    """
    coin = parse_answer(coin_reading(coin_id)(connection))["data"]
    now = connection.scalar(sql.NOW)
    every = {"asset_id": coin["asset_id"], "source": None, "namespace": None}
    source_ids = list(connection.scalars(HISTORY_SOURCES, every))
    names = {
        row["source_id"]: row["name"]
        for row in connection.execute(sql.SOURCE_NAMES, {"source_ids": source_ids}).mappings()
    }
    range_name = parameters.range or "7d"
    window = _PriceReader(connection, coin["asset_id"], source_ids[:LINES], now)
    prices = window.read(range_name)
    # Without a choice of the reader's, an empty default range would hide prices that are older.
    if not prices.points and parameters.range is None:
        range_name, prices = "all", window.read("all")
    series = [
        Series(source_id=source_id, name=names[source_id], points=points)
        for source_id, points in prices.points.items()
    ]
    return CoinPage(
        now=now,
        coin=_parse_coin(coin),
        chosen=range_name,
        start=prices.start,
        end=prices.end,
        step=prices.step,
        series=series,
        left_out=len(source_ids[LINES:]),
        charts=_charts(series, prices.start, prices.end),
    )


@dataclass(frozen=True, kw_only=True)
class _Prices:
    start: datetime
    end: datetime
    step: timedelta
    points: Mapping[int, Sequence[Point]]


@dataclass(frozen=True)
class _PriceReader:
    """Reads a coin's prices in a range."""

    connection: Connection
    asset_id: int
    source_ids: Sequence[int]
    now: datetime

    def read(self, name: str) -> _Prices:
        """Return the last price of each step, for each source that has any."""
        length = RANGES[name]
        start, end = self._whole_range() if length is None else (self.now - length, self.now)
        step = max((end - start) / POINTS, timedelta(seconds=1))
        bound = {
            "asset_id": self.asset_id,
            "source_ids": list(self.source_ids),
            "points": POINTS,
            "start": start,
            "step_seconds": step.total_seconds(),
        }
        points: dict[int, list[Point]] = {}
        for source_id, observed_at, price in self.connection.execute(sql.PRICES, bound):
            points.setdefault(source_id, []).append((observed_at, price))
        return _Prices(start=start, end=end, step=step, points=points)

    def _whole_range(self) -> tuple[datetime, datetime]:
        """Return a range with all observations, of at least an hour."""
        bound = {"asset_id": self.asset_id, "source_ids": list(self.source_ids)}
        oldest, newest = self.connection.execute(sql.QUOTED_SPAN, bound).one()
        end = self.now if newest is None else newest + MARGIN
        least = end - timedelta(hours=1)
        return (least if oldest is None else min(oldest - MARGIN, least)), end


def _charts(series: Sequence[Series], start: datetime, end: datetime) -> dict[str, PriceChart]:
    drawn = {
        name: price_chart(
            [each.points for each in series], start=start, end=end, width=width, height=height
        )
        for name, (width, height) in {"wide": WIDE, "narrow": NARROW}.items()
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _parse_coin(coin: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **parse_times(coin, ("observed_at", "updated_at", "first_seen_at")),
        "views": [_parse_view(view) for view in coin["views"]],
        "ticker_moves": [parse_times(move, ("moved_at",)) for move in coin["ticker_moves"]],
    }


def _parse_view(view: Mapping[str, Any]) -> dict[str, Any]:
    match = view["match"]
    if match is not None:
        match = {
            **parse_times(match, ("matched_at",)),
            "evidence": _evidence_pairs(match["evidence"]),
        }
    return {**parse_times(view, ("observed_at",)), "match": match}


def _evidence_pairs(evidence: Any) -> list[tuple[str, str]]:
    """Return evidence as pairs of a name and a text."""
    if not isinstance(evidence, dict):
        return [("evidence", str(evidence))]
    return [(name.replace("_", " "), _describe_value(value)) for name, value in evidence.items()]


def _describe_value(value: Any) -> str:
    if isinstance(value, list):  # the values that were compared
        return " · ".join(map(_describe_value, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_describe_value(each)}" for name, each in value.items())
    return "unknown" if value is None else str(value)
