"""What the operator reports. Postgres is the record; this is its mirror, under 8 KiB."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from cryptosource_crd.v1alpha1.bounded_strings import Timestamp
from cryptosource_crd.v1alpha1.closed_model import TolerantModel

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
ShortText = Annotated[str, Field(max_length=256)]
RunWord = Literal["running", "success", "failure", "interrupted", "skipped"]


class Condition(TolerantModel):
    """One `metav1.Condition`."""

    type: str = Field(min_length=1, max_length=316, pattern=r"^[A-Za-z0-9][-A-Za-z0-9_./]*$")
    """Its type: Ready, Scheduled, LastRunSucceeded, Fresh, Reconciling, Stalled, …"""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    observed_generation: int | None = Field(default=None, ge=0)
    """Generation of the spec it is about."""
    last_transition_time: Timestamp
    """When `status` last changed."""
    reason: str = Field(
        min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    )
    """Why, in one CamelCase word."""
    message: str = Field(default="", max_length=1024)
    """Why, for a person. Never a secret, never a query string."""


class RecentRun(TolerantModel):
    """One run in short."""

    id: str = Field(min_length=1, max_length=64)
    """The run's id."""
    status: RunWord
    """How it ended, or `running`."""
    reason: str = Field(default="", max_length=64)
    """Why, in one CamelCase word."""
    started_at: Timestamp
    """When it began."""
    finished_at: Timestamp | None = None
    """When it ended; absent while it runs."""
    processed: Count = 0
    """Records it read."""


class LastRun(RecentRun):
    """The latest run in full."""

    trigger: str = Field(default="schedule", max_length=32)
    """What started it, such as `schedule` or `manual`."""
    message: ShortText = ""
    """Why, for a person; at most 256 characters."""
    duration_seconds: float | None = Field(default=None, ge=0)
    """How long it took."""
    loaded: Count = 0
    """Records that brought something new."""
    unchanged: Count = 0
    """Records equal to what was stored."""
    rejected: Count = 0
    """Records in quarantine."""
    trace_id: str = Field(default="", max_length=32)
    """The run's OpenTelemetry trace."""


class CheckpointStatus(TolerantModel):
    """Where the next run continues."""

    cursor: JsonValue = None
    """Where the next run goes on; the source's own JSON."""
    records_committed: Count = 0
    """Records stored since the cursor's pass began."""
    observed_at: Timestamp | None = None
    """Newest observation stored."""
    updated_at: Timestamp | None = None
    """When the checkpoint last moved."""


class Totals(TolerantModel):
    """Counts over all runs on record."""

    runs: Count = 0
    """Runs that ended."""
    succeeded: Count = 0
    """Runs that succeeded."""
    failed: Count = 0
    """Runs that failed."""
    processed: Count = 0
    """Records read."""


class CryptoSourceStatus(TolerantModel):
    """State of the source as last written by the operator."""

    observed_generation: int = Field(default=-1, ge=-1)
    """Generation of the spec this status is about; -1 until the operator has seen it."""
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16, strict=False)
    """At most one per type: Ready, Scheduled, LastRunSucceeded, Fresh; and only while true:
    Reconciling, Stalled, Suspended, RunBlocked, OverQuota, DatabaseUnavailable."""
    cron_job: str | None = Field(default=None, max_length=253)
    """Name of the CronJob."""
    last_schedule_time: Timestamp | None = None
    """When a run last was due and started."""
    next_schedule_time: Timestamp | None = None
    """When the next run is due; absent while suspended."""
    last_success_time: Timestamp | None = None
    """When a run last succeeded."""
    last_failure_time: Timestamp | None = None
    """When a run last failed."""
    consecutive_failures: Count = 0
    """Jobs that failed since the last success; attempts of one Job count once."""
    last_handled_run_request: str | None = Field(default=None, max_length=256)
    """Token of the last request for a run that was answered."""
    last_run: LastRun | None = None
    """The latest run."""
    checkpoint: CheckpointStatus | None = None
    """The last committed checkpoint."""
    totals: Totals = Totals()
    """Runs and records so far."""
    recent_runs: tuple[RecentRun, ...] = Field(default=(), max_length=10, strict=False)
    """The latest runs, newest first, at most 10."""
