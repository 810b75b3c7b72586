"""The models of the answers on health, liveness, readiness, and of the index."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from cryptosource_api.http.models import Model, Moment


class DatabaseHealth(Model):
    """Whether the database answers."""

    status: Literal["ok", "down"]
    reason: str | None
    message: str | None


class Degradation(Model):
    """A source that is not as it should be."""

    source: str
    namespace: str
    reason: str = Field(description="The run's reason, or Stale, or NeverRun.")
    message: str | None


class LastRun(Model):
    """The last run that ended; skipped and resumed ones, and replays, do not count."""

    run_id: UUID
    status: str
    reason: str | None
    message: str | None
    started_at: Moment
    finished_at: Moment


class Freshness(Model):
    """How old what is known is."""

    age_seconds: int | None = Field(description="Since the last success.")
    max_age_seconds: int | None = Field(description="What the source's spec allows.")
    observed_at: Moment | None = Field(description="Newest observation ever loaded.")


class SourceHealth(Model):
    """One source."""

    source: str
    namespace: str
    source_type: str
    state: Literal["ok", "stale", "failing", "loading", "never_run", "suspended"]
    reason: str | None
    message: str | None
    running: bool = Field(description="A run is under way that is no replay.")
    last_run: LastRun | None
    last_success_at: Moment | None
    consecutive_failures: int = Field(
        description="Jobs that failed since the last success; attempts of one Job count once."
    )
    freshness: Freshness


class Health(Model):
    """How everything is."""

    status: Literal["ok", "degraded", "down"]
    database: DatabaseHealth
    degraded: list[Degradation] = Field(description="Which sources degrade the whole, and why.")
    sources: list[SourceHealth]


class CheckpointAge(Model):
    """How far a source is, and since when."""

    records_committed: int = Field(description="Of the current pass over the upstream.")
    updated_at: Moment
    age_seconds: int


class SourceDetail(SourceHealth):
    """One source with its checkpoint."""

    checkpoint: CheckpointAge | None = Field(description="Null before its first run.")


class PartitionedTable(Model):
    """A table that has a partition for each month."""

    table: str
    bytes: int = Field(description="With its indexes.")
    partitions: int
    first: Moment | None = Field(description="First moment that a partition covers.")
    end: Moment | None = Field(description="First moment that no partition covers any more.")
    months_ahead: int = Field(description="Partitions behind the current month's.")
    next_month_ready: bool = Field(
        description="False: `cryptosource maintain` has not run since the table was made."
    )


class Storage(Model):
    """What the database holds on disk."""

    bytes: int
    tables: list[PartitionedTable]


class Pool(Model):
    """Statements under way in this process."""

    size: int = Field(description="As many can run at a time.")
    at_work: int = Field(description="With the one that answers this.")
    waiting: int


class Migrations(Model):
    """The schema's revision."""

    current: str | None = Field(description="Of the database; null: nothing was migrated yet.")
    expected: str = Field(description="Of this version of the program.")
    usable: bool = Field(description="This version works on it: it is its own, or a newer one.")


class Process(Model):
    """This process."""

    version: str
    python: str
    uptime_seconds: float
    threads: int
    resident_bytes: int | None = Field(description="Null where the system does not tell.")
    most_resident_bytes: int


class DetailedHealth(Model):
    """How everything is, with what an operator of the system wants to know."""

    status: Literal["ok", "degraded", "down"]
    database: DatabaseHealth
    degraded: list[Degradation]
    sources: list[SourceDetail]
    storage: Storage | None = Field(description="Null while the database is down.")
    pool: Pool
    migrations: Migrations | None = Field(description="Null while the database is down.")
    process: Process


class Live(Model):
    """The process runs."""

    status: Literal["ok"]


class Ready(Model):
    """Requests can be answered."""

    status: Literal["ok"]
    revision: str


class Route(Model):
    """Something to ask for."""

    path: str
    summary: str


class Index(Model):
    """What there is."""

    name: str
    version: str
    routes: list[Route]
