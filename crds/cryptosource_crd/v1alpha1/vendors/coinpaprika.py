"""CoinPaprika: its member of the spec and its plans."""

from __future__ import annotations

from typing import Literal

from cryptosource_crd.v1alpha1.vendors.vendor import (
    BaseUrl,
    MonthlyQuota,
    Plan,
    Selection,
    Vendor,
    VendorSettings,
)


class CoinPaprika(VendorSettings):
    """CoinPaprika's `/tickers`: one answer holds every coin, so one request makes a run."""

    plan: Literal["Free", "Starter", "Pro", "Business", "Enterprise"] = "Free"
    """The subscription; sets base URL, limits and quota. Default `Free`, which needs no key."""
    base_url: BaseUrl | None = None
    """Base with its version path. Default: the plan's (`https://api.coinpaprika.com/v1` for Free,
    `https://api-pro.coinpaprika.com/v1` for the others)."""
    selection: Selection = Selection(all=True)
    """Which coins to keep. Default all: a smaller choice costs the same one request."""
    monthly_quota: MonthlyQuota | None = None
    """Requests per calendar month, where your contract differs from the plan's."""


_DOCS = "docs.coinpaprika.com, API plans (OpenAPI 1.7.10)"


def _paid(monthly_quota: int | None) -> Plan:
    # The Free plan's 10 requests per second, carried over: no figure for paid plans was found.
    return Plan(
        base_url="https://api-pro.coinpaprika.com/v1",
        api_key_header="Authorization",
        requests_per_minute=600,
        burst=10,
        monthly_quota=monthly_quota,
        fact=_DOCS,
    )


COINPAPRIKA = Vendor(
    source_type="CoinPaprika",
    member="coinPaprika",
    settings=CoinPaprika,
    plans={
        "Free": Plan(
            base_url="https://api.coinpaprika.com/v1",
            api_key_header=None,
            requests_per_minute=600,
            burst=10,
            monthly_quota=20_000,
            max_assets=2_000,
            fact=f"{_DOCS}: 10 requests per second per IP",
        ),
        "Starter": _paid(400_000),
        "Pro": _paid(1_000_000),
        "Business": _paid(5_000_000),
        "Enterprise": _paid(None),
    },
    paging=None,
)
