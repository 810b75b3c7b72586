"""The performance of sources over time, and the drifts of their upstreams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import Connection

from cryptosource_api.http import cursor as cursors
from cryptosource_api.http.list_answer import Answer, list_answer
from cryptosource_api.http.models import Amount, Model, Moment
from cryptosource_api.http.pagination import CursorPaging
from cryptosource_api.http.parameters import Name
from cryptosource_api.runs.source_filter import SourceChoice, TimeSpan, bounded_span
from cryptosource_store.reasons import RunStatus
from cryptosource_store.statements import run_statistics as sql

Bucket = Literal["hour", "day"]

STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
USUAL = {"hour": timedelta(hours=23), "day": timedelta(days=29)}
"""Default ranges: with the current bucket, a day of hours or thirty days."""
LONGEST = {"hour": timedelta(days=31), "day": timedelta(days=366)}
MAX_BUCKETS = 750
"""Most buckets of a page: a month of hours of one source."""


class Performance(Model):
    """One source in one UTC hour or day; replays are left out."""

    source: str
    namespace: str
    source_type: str
    start: Moment
    end: Moment
    runs: int = Field(description="Runs that started in it, whatever their outcome.")
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


class PerformanceParameters(SourceChoice, TimeSpan, CursorPaging):
    """Parameters of `GET /stats/performance`."""

    bucket: Bucket = Field(default="hour", description="What runs are put together by, in UTC.")
    limit: int = Field(
        default=100, ge=1, le=MAX_BUCKETS, description="How many buckets to return at most."
    )


def first_moment(moment: datetime, bucket: Bucket) -> datetime:
    """Return the start of a moment's UTC hour or day."""
    start = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return start if bucket == "hour" else start.replace(hour=0)


def read_performance(connection: Connection, parameters: PerformanceParameters) -> Answer:
    """Return a page of buckets, by source and newest first; every source has all buckets.

    Raises:
        InvalidRequest: the range is too long, or the cursor is not one of this list.
    """
    bucket = parameters.bucket
    span = bounded_span(connection, parameters, usual=USUAL[bucket], longest=LONGEST[bucket])
    first, last = first_moment(span.since, bucket), first_moment(span.until, bucket)
    window = parameters.window()
    given = parameters.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
    digest = cursors.list_digest("performance", sorted(given.items()))
    bound: dict[str, Any] = {
        **parameters.chosen(),
        "first": first,
        "last": last,
        "step": STEPS[bucket],
        "buckets": (last - first) // STEPS[bucket] + 1,
        "size": window.size,
    }
    if window.cursor is not None:
        types = ("text", "text", "timestamptz")
        place = cursors.decode(window.cursor, digest=digest, types=types)
        bound["after_namespace"], bound["after_name"] = place[0], place[1]
        bound["after_start"] = datetime.fromisoformat(place[2] or "")
    statement = sql.performance_statement(after=window.cursor is not None)
    row = connection.execute(statement, bound).mappings().one()
    place_columns = ("last_namespace", "last_name", "last_start")
    return list_answer(row, window, digest=digest, place=place_columns, cap=None)


_CONDITIONS = {
    "source": sql.DRIFT_OF_SOURCE,
    "namespace": sql.DRIFT_OF_NAMESPACE,
    "field": sql.DRIFT_OF_FIELD,
    "change": sql.DRIFT_OF_CHANGE,
    "since": sql.DRIFT_SINCE,
    "until": sql.DRIFT_UNTIL,
}


class DriftParameters(SourceChoice, TimeSpan, CursorPaging):
    """Parameters of `GET /stats/drift`."""

    field: Name = Field(
        default=None,
        description="The upstream's name of the field.",
        examples=["price_usd"],
    )
    change: Literal["appeared", "vanished", "retyped"] | None = Field(
        default=None, description="What happened to the field."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is after until")
        return self


def read_drifts(connection: Connection, parameters: DriftParameters) -> Answer:
    """Return a page of drifts, newest first.

    Raises:
        InvalidRequest: the cursor is not one of this list.
    """
    window = parameters.window()
    given = parameters.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
    digest = cursors.list_digest("drift", sorted(given.items()))
    bound: dict[str, Any] = {"size": window.size, **given}
    if window.cursor is not None:
        (place,) = cursors.decode(window.cursor, digest=digest, types=("bigint",))
        bound["after_drift"] = int(place or 0)
    statement = sql.drifts_statement(
        [_CONDITIONS[name] for name in given], after=window.cursor is not None
    )
    row = connection.execute(statement, bound).mappings().one()
    return list_answer(row, window, digest=digest, place=("last_drift",), cap=sql.DRIFTS_CAP)
