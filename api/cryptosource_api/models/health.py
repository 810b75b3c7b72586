"""Health, liveness, readiness and the index."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from cryptosource_api.models.parts import Model, Moment


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
    """The last run that ended and was not skipped."""

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
    running: bool
    last_run: LastRun | None
    last_success_at: Moment | None
    consecutive_failures: int
    freshness: Freshness


class Health(Model):
    """How everything is."""

    status: Literal["ok", "degraded", "down"]
    database: DatabaseHealth
    degraded: list[Degradation] = Field(description="Which sources degrade the whole, and why.")
    sources: list[SourceHealth]


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
