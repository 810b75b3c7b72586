"""CoinGecko: its member of the spec and its plans."""

from __future__ import annotations

from typing import Literal

from cryptosource_crd.v1alpha1.vendors.vendor import (
    BaseUrl,
    MonthlyQuota,
    Paging,
    Plan,
    Selection,
    Vendor,
    VendorSettings,
)


class CoinGecko(VendorSettings):
    """CoinGecko's `/coins/markets`: 250 coins per request."""

    plan: Literal["Keyless", "Demo", "Basic", "Analyst", "Pro", "Enterprise"] = "Keyless"
    """The subscription; sets base URL, key header, limits and quota. Default `Keyless`."""
    base_url: BaseUrl | None = None
    """Base with its version path. Default: the plan's (`https://api.coingecko.com/api/v3` for
    Keyless and Demo, `https://pro-api.coingecko.com/api/v3` for the others)."""
    selection: Selection = Selection(top=1000)
    """Which coins to read. Default the top 1000: four requests."""
    monthly_quota: MonthlyQuota | None = None
    """Credits per month, where your contract differs from the plan's."""


PAGE_SIZE = 250
"""Coins per request of `/coins/markets` (its documented maximum), by rank and by id alike."""
_DOCS = "docs.coingecko.com, Errors & Rate Limits, and the 2026 price page"


_PUBLIC = "https://api.coingecko.com/api/v3"


def _paid(rate: int, quota: int | None, fact: str = _DOCS) -> Plan:
    return Plan(
        base_url="https://pro-api.coingecko.com/api/v3",
        api_key_header="x-cg-pro-api-key",
        requests_per_minute=rate,
        burst=10,
        monthly_quota=quota,
        fact=fact,
    )


COINGECKO = Vendor(
    source_type="CoinGecko",
    member="coinGecko",
    settings=CoinGecko,
    plans={
        "Keyless": Plan(
            base_url=_PUBLIC,
            api_key_header=None,
            requests_per_minute=5,
            burst=1,
            monthly_quota=None,
            fact="5 to 15 requests per minute per IP are reported; nothing is promised",
        ),
        "Demo": Plan(
            base_url=_PUBLIC,
            api_key_header="x-cg-demo-api-key",
            requests_per_minute=30,
            burst=5,
            monthly_quota=10_000,
            fact=f"{_DOCS}: 30 per minute in 2025, 100 in 2026",
        ),
        "Basic": _paid(300, 100_000),
        "Analyst": _paid(500, 500_000),
        "Pro": _paid(500, None, "at least the Analyst rate; set monthlyQuota to your contract's"),
        "Enterprise": _paid(500, None, "by contract: set rateLimit and monthlyQuota"),
    },
    # 18 982 coins in 2026-01.
    paging=Paging(page_size=PAGE_SIZE, listed_coins=19_000),
)
