"""Runs and their totals."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from cryptosource_api.http.models import Amount, Model, Moment
from cryptosource_store.reasons import RunStatus


class Run(Model):
    """One run."""

    run_id: UUID
    source: str
    namespace: str
    source_type: str
    job_name: str
    attempt: int
    trigger: str
    status: RunStatus
    reason: str | None
    message: str | None
    started_at: Moment
    finished_at: Moment | None
    duration_seconds: Amount
    next_attempt_at: Moment | None
    processed: int
    loaded: int
    unchanged: int
    rejected: int
    pages: int
    requests: int
    retries: int
    records_total: int | None = Field(description="Of the whole pass, where the source knows it.")
    trace_id: str | None


class Reject(Model):
    """A record in quarantine that the run met last."""

    external_id: str | None
    reason: str
    field: str | None
    detail: str
    contract_version: str
    occurrences: int
    first_seen_at: Moment
    last_seen_at: Moment
    replayed_at: Moment | None


class Drift(Model):
    """A field that appeared, vanished or changed its type."""

    field: str
    change: str
    types_before: Any
    types_after: Any
    detected_at: Moment


class RunDetail(Run):
    """One run with samples of its rejected records and drifts."""

    rejects: list[Reject]
    drifts: list[Drift]


class Counts(Model):
    """Runs and records by outcome; replays are left out."""

    runs: int
    success: int
    failure: int
    skipped: int
    interrupted: int
    running: int
    processed: int
    loaded: int
    unchanged: int
    rejected: int


class Totals(Counts):
    """Over everything."""

    sources: int
    coins: int


class Checkpoint(Model):
    """The progress of a source."""

    cursor: dict[str, Any] = Field(description="The short members of the cursor.")
    records_committed: int
    observed_at: Moment | None
    updated_at: Moment


class SourceStats(Counts):
    """One source."""

    source: str
    namespace: str
    source_type: str
    schedule: str | None
    time_zone: str | None
    suspended: bool
    records: int
    last_run: Run | None = Field(description="The newest that is neither skipped nor a replay.")
    checkpoint: Checkpoint | None
    drifts: int
    quarantined: int = Field(description="Rejected records that were not replayed yet.")


class Stats(Model):
    """All runs in figures."""

    totals: Totals
    sources: list[SourceStats]
