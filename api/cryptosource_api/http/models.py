"""Models that features share: the envelope, amounts, problems."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

T = TypeVar("T")

Amount = Annotated[
    Decimal,
    WithJsonSchema(
        {
            "type": "number",
            "description": "A JSON number with every digit that is stored, never an exponent. "
            "Read it as a decimal to keep them.",
        }
    ),
]

Moment = Annotated[datetime, Field(description="RFC 3339 in UTC, ending in Z.")]


class Model(BaseModel):
    """Base of the models. It forbids extra fields, so that no undeclared one is answered."""

    model_config = ConfigDict(extra="forbid")


class Meta(Model):
    """About this answer."""

    request_id: str = Field(description="Also in X-Request-ID.")
    api_latency_ms: float = Field(description="From the request's arrival to this body.")


class Pagination(Model):
    """Where in the list this page is."""

    page: int | None = Field(description="From 1; null behind a cursor or between pages.")
    page_size: int
    limit: int
    offset: int | None = Field(description="Records before this page; null behind a cursor.")
    returned: int
    total: int = Field(description="Records in the whole list.")
    total_is_capped: bool = Field(description="Counting stopped: there are `total` or more.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")


class Listing(Model, Generic[T]):
    """A page of a list."""

    data: list[T]
    pagination: Pagination
    meta: Meta


class Single(Model, Generic[T]):
    """One thing."""

    data: T
    meta: Meta


class ProblemError(Model):
    """One mistake in a request."""

    parameter: str
    detail: str


class Problem(Model):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    request_id: str
    errors: list[ProblemError] = Field(default=[], description="For 422: every mistake.")
