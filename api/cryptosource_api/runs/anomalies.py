"""Runs and prices that stand out, each with the figures it was judged by."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection, TextClause

from cryptosource_api.health.queries import rfc3339
from cryptosource_api.http.envelope import object_body
from cryptosource_api.http.list_answer import Answer
from cryptosource_api.http.models import Amount, Model, Moment
from cryptosource_api.http.pagination import MAX_LIMIT
from cryptosource_api.runs.source_filter import SourceChoice, Span, TimeSpan, bounded_span
from cryptosource_store.reasons import RunStatus
from cryptosource_store.statements import anomalies as sql

USUAL, LONGEST = timedelta(days=1), timedelta(days=7)
MAX_COINS = 250


T = TypeVar("T")


class Judged(Model):
    """The evidence why something stands out."""

    value: Amount
    median: Amount
    mad: Amount = Field(description="Median absolute deviation.")
    deviations: Amount = Field(description="Distance from the median, in scales.")
    allowed_distance: Amount = Field(description="What stands out lies further from the median.")
    judged_from: int = Field(description="Values that the median is of.")


class RunAnomaly(Judged):
    """A run that differs from the other runs of its source."""

    source: str
    namespace: str
    source_type: str
    run_id: UUID
    started_at: Moment
    status: RunStatus
    reason: str | None
    metric: Literal["duration_seconds", "processed", "loaded", "rejected_percent"]


class PriceJump(Judged):
    """A price that changed, in percent, unlike the source's other changes of that coin."""

    id: str
    asset_id: int
    symbol: str | None
    name: str | None
    source: str
    namespace: str
    source_type: str
    observed_at: Moment
    price_usd: Amount
    previous_observed_at: Moment
    previous_price_usd: Amount
    run_id: UUID


class PriceView(Model):
    """What one source says the coin costs."""

    source: str
    namespace: str
    source_type: str
    price_usd: Amount
    deviation_percent: Amount | None = Field(description="From the median of the sources.")
    observed_at: Moment
    run_id: UUID


class PriceDisagreement(Model):
    """A coin whose sources' newest prices, at most an hour apart, are too far from each other."""

    id: str
    asset_id: int
    symbol: str | None
    name: str | None
    spread_percent: Amount | None = Field(
        description="Highest over lowest price; null: the lowest is 0."
    )
    allowed_spread_percent: Amount
    median_price_usd: Amount
    furthest: str | None = Field(
        description="Source furthest from the median; null: of two nobody can say which is wrong."
    )
    views: list[PriceView]


class Found(Model, Generic[T]):
    """A list that is cut at `limit`."""

    found: list[T]
    more: bool = Field(description="There are more than are shown.")


class Floors(Model):
    """The least scale of each metric: smaller deviations are normal whatever the median."""

    duration_seconds: float
    duration_share_of_median: float
    count: float = Field(description="Of processed and loaded.")
    count_share_of_median: float
    rejected_percent_points: float
    price_change_percent_points: float


class Rules(Model):
    """By what was judged."""

    deviations: float
    spread_percent: float
    least_values: int = Field(description="Where there are fewer, nothing is judged.")
    runs_judged: int = Field(description="Newest runs of each source.")
    observations_judged: int = Field(description="Newest of each coin and source.")
    coins_judged: int = Field(description="Best-ranked coins whose prices are judged.")
    floors: Floors


class Anomalies(Model):
    """What stands out."""

    since: Moment
    until: Moment
    rules: Rules
    runs: Found[RunAnomaly]
    price_jumps: Found[PriceJump]
    price_disagreements: Found[PriceDisagreement]


class AnomaliesParameters(SourceChoice, TimeSpan):
    """Parameters of `GET /stats/anomalies`."""

    deviations: Decimal = Field(
        default=Decimal(6),
        ge=2,
        le=100,
        description="How many scales from the median a value must be to stand out. A scale is "
        "1.4826 times the median absolute deviation, or the floor that `rules` tells.",
    )
    spread_percent: Decimal = Field(
        default=Decimal(10),
        ge=Decimal("0.01"),
        le=1_000_000,
        description="How far the highest price may be above the lowest among the sources.",
    )
    top: int = Field(
        default=100, ge=1, le=MAX_COINS, description="Prices of so many best-ranked coins."
    )
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="Entries in each list.")


def read_anomalies(connection: Connection, parameters: AnomaliesParameters) -> Answer:
    """Return the anomalies of runs and prices.

    Raises:
        InvalidRequest: the range of time is too long.
    """
    span = bounded_span(connection, parameters, usual=USUAL, longest=LONGEST)
    bound = {
        **parameters.chosen(),
        "since": span.since,
        "until": span.until,
        "deviations": parameters.deviations,
        "spread_percent": parameters.spread_percent,
        "top": parameters.top,
        "size": parameters.limit,
    }
    lists = {
        "runs": sql.RUN_ANOMALIES,
        "price_jumps": sql.PRICE_JUMPS,
        "price_disagreements": sql.PRICE_DISAGREEMENTS,
    }
    members = [_read_list(connection, name, lists[name], bound) for name in lists]
    head = json.dumps(_describe_rules(span, parameters))
    return Answer(body=object_body(f"{head[:-1]}, {', '.join(members)}}}"))


def _read_list(
    connection: Connection, name: str, statement: TextClause, bound: dict[str, Any]
) -> str:
    # Each statement uses some of the values only.
    used = {key: bound[key] for key in bound if f":{key}" in statement.text}
    row = connection.execute(statement, used).mappings().one()
    more = json.dumps(bool(row["found"] > bound["size"]))
    return f'"{name}": {{"found": [{row["body"]}], "more": {more}}}'


def _describe_rules(span: Span, parameters: AnomaliesParameters) -> dict[str, Any]:
    return {
        "since": rfc3339(span.since),
        "until": rfc3339(span.until),
        "rules": {
            "deviations": float(parameters.deviations),
            "spread_percent": float(parameters.spread_percent),
            "least_values": sql.MIN_VALUES,
            "runs_judged": sql.RUNS_JUDGED,
            "observations_judged": sql.QUOTES_JUDGED,
            "coins_judged": parameters.top,
            "floors": {
                "duration_seconds": sql.DURATION_FLOOR_SECONDS,
                "duration_share_of_median": sql.DURATION_FLOOR_SHARE,
                "count": sql.COUNT_FLOOR,
                "count_share_of_median": sql.COUNT_FLOOR_SHARE,
                "rejected_percent_points": sql.REJECTED_FLOOR_POINTS,
                "price_change_percent_points": sql.CHANGE_FLOOR_POINTS,
            },
        },
    }
