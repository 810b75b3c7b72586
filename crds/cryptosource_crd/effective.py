"""What holds for a source once its spec and its plan are put together."""

from __future__ import annotations

from cryptosource_crd.plans import plan_of, vendor_of
from cryptosource_crd.v1alpha1.operation import RateLimit
from cryptosource_crd.v1alpha1.spec import CryptoSourceSpec

UNPLANNED_RATE = RateLimit.model_validate({"requestsPerMinute": 60, "burst": 5})
"""For files by URL and for plugins, about which nothing is published: one request per second."""


def effective_rate_limit(spec: CryptoSourceSpec) -> RateLimit:
    """Return the token bucket of a source: the spec's, else its plan's, else `UNPLANNED_RATE`."""
    if spec.rate_limit is not None:
        return spec.rate_limit
    plan = plan_of(spec)
    if plan is None:
        return UNPLANNED_RATE
    return RateLimit.model_validate(
        {"requestsPerMinute": plan.requests_per_minute, "burst": plan.burst}
    )


def base_url(spec: CryptoSourceSpec) -> str | None:
    """Return the vendor's base with its version path, without a trailing slash.

    None for CSV and plugins, which have no such base.
    """
    vendor, plan = vendor_of(spec), plan_of(spec)
    if vendor is None or plan is None:
        return None
    return vendor.base_url or plan.base_url


def api_key_header(spec: CryptoSourceSpec) -> str | None:
    """Return the header that carries the plan's key; None where the plan has no key."""
    plan = plan_of(spec)
    return None if plan is None else plan.api_key_header


def monthly_quota(spec: CryptoSourceSpec) -> int | None:
    """Return the requests a month may have; None where none are published or there is no limit."""
    vendor, plan = vendor_of(spec), plan_of(spec)
    if vendor is None or plan is None:
        return None
    return vendor.monthly_quota or plan.monthly_quota
