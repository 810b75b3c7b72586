"""A vendor's descriptor, and the settings that the members of all vendors share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cryptosource_crd.urls import check_base_url
from cryptosource_crd.v1alpha1.bounded_strings import ExternalId, HttpUrl
from cryptosource_crd.v1alpha1.closed_model import ClosedModel

BaseUrl = Annotated[HttpUrl, AfterValidator(check_base_url)]
MonthlyQuota = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Selection(ClosedModel):
    """Which coins to read: exactly one of the three."""

    top: int | None = Field(default=None, ge=1, le=50_000)
    """The first N coins by market capitalisation, 1 to 50000."""
    ids: tuple[ExternalId, ...] | None = Field(
        default=None, min_length=1, max_length=2_000, strict=False
    )
    """These coins alone, by the vendor's own ids (`bitcoin`, `btc-bitcoin`), 1 to 2000 of them."""
    all: Literal[True] | None = None
    """Every coin the plan shows: `{all: true}`."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Selection:
        if sum(choice is not None for choice in (self.top, self.ids, self.all)) != 1:
            raise ValueError("give exactly one of top, ids, all")
        if self.ids is not None and len(set(self.ids)) != len(self.ids):
            raise ValueError("ids must not repeat")
        return self


class VendorSettings(ClosedModel):
    """A vendor's member of the spec. A vendor declares each field again with its own default."""

    plan: str
    """The subscription, a name in the vendor's plans."""
    base_url: BaseUrl | None = None
    """Base with its version path. Default: the plan's."""
    selection: Selection
    """Which coins to read."""
    monthly_quota: MonthlyQuota | None = None
    """Requests per calendar month, where your contract differs from the plan's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a subscription allows. Limits change: a spec can override each figure."""

    base_url: str
    """Base with its version path."""
    api_key_header: str | None
    """Header that carries the key; None: the plan has no key."""
    # Where publications disagree the lower rate is taken: too low costs seconds, too high a ban.
    requests_per_minute: int
    burst: int
    """Requests that may follow each other at once."""
    monthly_quota: int | None
    """Requests per calendar month; None: unlimited or not published."""
    fact: str
    """Source of the figures."""
    max_assets: int | None = None
    """Coins the plan shows; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a vendor splits its coins over requests."""

    page_size: int
    """Coins per request."""
    listed_coins: int
    """Coins the vendor lists, for the cost of `{all: true}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor, as the model, the operator and the command use it."""

    source_type: str
    """Its `spec.type`. The ETL job's package of the same name in lower case reads it."""
    member: str
    """The member of the spec that holds its settings, as a manifest spells it."""
    settings: type[VendorSettings]
    """The member's model."""
    plans: Mapping[str, Plan]
    """By the names that `settings.plan` may have."""
    paging: Paging | None
    """None: one answer holds every coin."""

    def requests_per_run(self, selection: Selection) -> int:
        """Return the requests of a run in which each succeeds at once."""
        if self.paging is None:
            return 1
        coins = len(selection.ids or ()) or selection.top or self.paging.listed_coins
        return -(-coins // self.paging.page_size)
