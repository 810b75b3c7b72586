"""The vendors' plans as data. Limits and prices change: each figure can be overridden in a spec.

Where publications disagree the lower rate is taken, because too low costs seconds and too high
costs a ban.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptosource_crd.v1alpha1.spec import CryptoSourceSpec
from cryptosource_crd.v1alpha1.vendors import CoinGecko, CoinPaprika


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a subscription allows."""

    base_url: str
    """Base with its version path."""
    api_key_header: str | None
    """Header that carries the key; None: the plan has no key."""
    requests_per_minute: int
    burst: int
    """Requests that may follow each other at once."""
    monthly_quota: int | None
    """Requests per calendar month; None: unlimited or not published."""
    max_assets: int | None
    """Coins the plan shows; None: all."""
    fact: str
    """Where the figures come from."""


_PAPRIKA_FREE = "https://api.coinpaprika.com/v1"
_PAPRIKA_PRO = "https://api-pro.coinpaprika.com/v1"
_GECKO_PUBLIC = "https://api.coingecko.com/api/v3"
_GECKO_PRO = "https://pro-api.coingecko.com/api/v3"
_PAPRIKA_DOCS = "docs.coinpaprika.com, API plans (OpenAPI 1.7.10)"
_GECKO_DOCS = "docs.coingecko.com, Errors & Rate Limits, and the 2026 price page"


def _paprika_paid(monthly_quota: int | None) -> Plan:
    # The Free plan's 10 requests per second, carried over: no figure for paid plans was found.
    return Plan(
        base_url=_PAPRIKA_PRO,
        api_key_header="Authorization",
        requests_per_minute=600,
        burst=10,
        monthly_quota=monthly_quota,
        max_assets=None,
        fact=_PAPRIKA_DOCS,
    )


def _gecko(
    *, base_url: str, header: str | None, rate: int, burst: int, quota: int | None, fact: str
) -> Plan:
    return Plan(
        base_url=base_url,
        api_key_header=header,
        requests_per_minute=rate,
        burst=burst,
        monthly_quota=quota,
        max_assets=None,
        fact=fact,
    )


def _gecko_paid(rate: int, quota: int | None, fact: str = _GECKO_DOCS) -> Plan:
    return _gecko(
        base_url=_GECKO_PRO, header="x-cg-pro-api-key", rate=rate, burst=10, quota=quota, fact=fact
    )


COINPAPRIKA: Mapping[str, Plan] = {
    "Free": Plan(
        base_url=_PAPRIKA_FREE,
        api_key_header=None,
        requests_per_minute=600,
        burst=10,
        monthly_quota=20_000,
        max_assets=2_000,
        fact=f"{_PAPRIKA_DOCS}: 10 requests per second per IP",
    ),
    "Starter": _paprika_paid(400_000),
    "Pro": _paprika_paid(1_000_000),
    "Business": _paprika_paid(5_000_000),
    "Enterprise": _paprika_paid(None),
}
"""CoinPaprika's plans by name."""

COINGECKO: Mapping[str, Plan] = {
    "Keyless": _gecko(
        base_url=_GECKO_PUBLIC,
        header=None,
        rate=5,
        burst=1,
        quota=None,
        fact="5 to 15 requests per minute per IP are reported; nothing is promised",
    ),
    "Demo": _gecko(
        base_url=_GECKO_PUBLIC,
        header="x-cg-demo-api-key",
        rate=30,
        burst=5,
        quota=10_000,
        fact=f"{_GECKO_DOCS}: 30 per minute in 2025, 100 in 2026",
    ),
    "Basic": _gecko_paid(300, 100_000),
    "Analyst": _gecko_paid(500, 500_000),
    "Pro": _gecko_paid(500, None, "at least the Analyst rate; set monthlyQuota to your contract's"),
    "Enterprise": _gecko_paid(500, None, "by contract: set rateLimit and monthlyQuota"),
}
"""CoinGecko's plans by name."""


def vendor_of(spec: CryptoSourceSpec) -> CoinPaprika | CoinGecko | None:
    """Return the vendor's member of a spec; None for CSV and plugins."""
    return spec.coin_paprika or spec.coin_gecko


def plan_of(spec: CryptoSourceSpec) -> Plan | None:
    """Return the plan a spec names; None for CSV and plugins, which have none."""
    if spec.coin_paprika is not None:
        return COINPAPRIKA[spec.coin_paprika.plan]
    if spec.coin_gecko is not None:
        return COINGECKO[spec.coin_gecko.plan]
    return None
