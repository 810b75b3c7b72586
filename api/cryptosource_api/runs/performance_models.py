"""Performance over time, drifts, and what stands out."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar
from uuid import UUID

from pydantic import Field

from cryptosource_api.http.models import Amount, Model, Moment
from cryptosource_store.reasons import RunStatus

T = TypeVar("T")


class Performance(Model):
    """One source in one UTC hour or day; replays are left out."""

    source: str
    namespace: str
    source_type: str
    start: Moment
    end: Moment
    runs: int = Field(description="Runs that started in it, whatever became of them.")
    success: int
    failure: int
    interrupted: int
    skipped: int = Field(description="Another run was at work; not part of any other figure.")
    running: int
    success_rate: Amount | None = Field(
        description="Of the runs that ended (success, failure, interrupted), 0 to 1; null: none."
    )
    duration_p50_seconds: Amount | None = Field(description="Median over the runs that ended.")
    duration_p95_seconds: Amount | None
    processed: int
    loaded: int
    unchanged: int
    rejected: int
    records_per_second: Amount | None = Field(
        description="Records processed by the runs that ended, by the seconds they took."
    )


class DriftEntry(Model):
    """A field of an upstream that appeared, vanished or changed its type."""

    drift_id: int
    source: str
    namespace: str
    source_type: str
    field: str
    change: Literal["appeared", "vanished", "retyped"]
    types_before: list[str]
    types_after: list[str]
    detected_at: Moment
    done: str = Field(description="What the pipeline did about it.")
    types_now: list[str] | None = Field(
        description="The field's types in the shape accepted today; null when it is not in it."
    )
    run_id: UUID
    run_status: RunStatus | None = Field(description="Null when the run is past its retention.")
    processed: int | None = Field(description="Records of that run.")
    rejected: int | None


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
