"""Requests for runs and their outcome."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cryptosource_api.http.models import Model, Moment
from cryptosource_store.reasons import RunStatus

ResourceName = Annotated[
    str, StringConstraints(pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
]


class TriggerBody(BaseModel):
    """What to run: one source, or all."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"source": "coingecko", "namespace": "crypto"}],
            "oneOf": [
                {
                    "title": "One source",
                    "required": ["source"],
                    "properties": {"source": {"type": "string"}, "all": {"const": False}},
                },
                {
                    "title": "All of them",
                    "required": ["all"],
                    "properties": {
                        "all": {"const": True},
                        "source": {"type": "null"},
                        "namespace": {"type": "null"},
                    },
                },
            ],
        },
    )

    source: ResourceName | None = Field(default=None, description="A CryptoSource's name.")
    namespace: ResourceName | None = Field(
        default=None, description="Needed where several namespaces have a source of that name."
    )
    all: bool = Field(default=False, description="Every source that is not suspended.")

    @model_validator(mode="after")
    def _one_or_all(self) -> Self:
        if self.all == (self.source is not None):
            raise ValueError('give either "source" or "all": true')
        if self.all and self.namespace is not None:
            raise ValueError('"namespace" goes with "source"; "all" means every namespace')
        return self


class PlacedRequest(Model):
    """A request that was placed."""

    request_id: UUID
    source: str | None = Field(description="Null: every source.")
    namespace: str | None
    requested_at: Moment
    expires_at: Moment = Field(description="It is not taken up after that.")
    coalesced: bool = Field(description="An equal request was pending already; this is that one.")


class RequestedRun(Model):
    """A Job that was started for the request, and its run."""

    job_name: str
    source: str | None
    namespace: str | None
    run_id: UUID | None = Field(description="Null: it has not begun; see /stats/runs/{run_id}.")
    attempt: int | None
    status: RunStatus | None
    reason: str | None
    message: str | None
    started_at: Moment | None
    finished_at: Moment | None


class RequestCounts(Model):
    """The runs of a request by status."""

    jobs: int
    waiting: int = Field(description="Started, but the run has not begun.")
    running: int
    success: int
    failure: int
    interrupted: int
    skipped: int


class RunRequest(Model):
    """A request and its outcome."""

    request_id: UUID
    source: str | None = Field(description="Null: every source.")
    namespace: str | None
    status: Literal[
        "pending",
        "expired",
        "refused",
        "accepted",
        "running",
        "succeeded",
        "failed",
        "skipped",
    ] = Field(
        description="pending: not taken up yet. accepted: its Jobs are made. skipped: other "
        "runs were at work. A failed one may go on, where its Job has another attempt."
    )
    reason: str | None = Field(
        description="Of refused: SourceGone, Suspended, NoSources, JobRefused. "
        "Of expired: NotTakenUp."
    )
    requested_by: str | None
    requested_at: Moment
    expires_at: Moment
    answered_at: Moment | None
    answered_by: str | None = Field(description="operator/HOST or up/HOST.")
    counts: RequestCounts
    runs: list[RequestedRun] = Field(description="At most 100 of them.")
