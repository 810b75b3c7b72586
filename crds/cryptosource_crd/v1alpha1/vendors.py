"""Members for the vendors' APIs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cryptosource_crd.urls import check_base_url
from cryptosource_crd.v1alpha1.bounded_strings import DataKey, ExternalId, HttpUrl, ObjectName
from cryptosource_crd.v1alpha1.closed_model import ClosedModel

CoinPaprikaPlan = Literal["Free", "Starter", "Pro", "Business", "Enterprise"]
CoinGeckoPlan = Literal["Keyless", "Demo", "Basic", "Analyst", "Pro", "Enterprise"]

BaseUrl = Annotated[HttpUrl, AfterValidator(check_base_url)]
MonthlyQuota = Annotated[int, Field(ge=1, le=1_000_000_000)]


class SecretKeyRef(ClosedModel):
    """One key of a Secret in the source's own namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: DataKey = "api-key"
    """Key within it. Default `api-key`."""


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


class CoinPaprika(ClosedModel):
    """CoinPaprika's `/tickers`: one answer holds every coin, so one request makes a run."""

    plan: CoinPaprikaPlan = "Free"
    """The subscription; sets base URL, limits and quota. Default `Free`, which needs no key."""
    base_url: BaseUrl | None = None
    """Base with its version path. Default: the plan's (`https://api.coinpaprika.com/v1` for Free,
    `https://api-pro.coinpaprika.com/v1` for the others)."""
    selection: Selection = Selection(all=True)
    """Which coins to keep. Default all: a smaller choice costs the same one request."""
    api_key_secret_ref: SecretKeyRef | None = None
    """Where the key is. Needed by every plan but Free."""
    monthly_quota: MonthlyQuota | None = None
    """Requests per calendar month, where your contract differs from the plan's."""


class CoinGecko(ClosedModel):
    """CoinGecko's `/coins/markets`: 250 coins per request."""

    plan: CoinGeckoPlan = "Keyless"
    """The subscription; sets base URL, key header, limits and quota. Default `Keyless`."""
    base_url: BaseUrl | None = None
    """Base with its version path. Default: the plan's (`https://api.coingecko.com/api/v3` for
    Keyless and Demo, `https://pro-api.coingecko.com/api/v3` for the others)."""
    selection: Selection = Selection(top=1000)
    """Which coins to read. Default the top 1000: four requests."""
    api_key_secret_ref: SecretKeyRef | None = None
    """Where the key is. Needed by every plan but Keyless."""
    monthly_quota: MonthlyQuota | None = None
    """Credits per month, where your contract differs from the plan's."""
