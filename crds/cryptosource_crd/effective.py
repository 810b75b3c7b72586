"""Effective settings of a source: its spec over its plan's defaults."""

from __future__ import annotations

from cryptosource_crd.v1alpha1.operation import RateLimit
from cryptosource_crd.v1alpha1.spec import CryptoSourceSpec
from cryptosource_crd.v1alpha1.vendors.vendor import Plan

# Nothing is published about the limits of files by URL and of plugins: one request per second.
UNPLANNED_RATE = RateLimit.model_validate({"requestsPerMinute": 60, "burst": 5})
"""The rate limit of sources without a plan."""


def plan_of(spec: CryptoSourceSpec) -> Plan | None:
    """Return the plan a spec names; None for CSV and plugins, which have none."""
    vendor, settings = spec.vendor, spec.vendor_settings
    return vendor.plans[settings.plan] if vendor is not None and settings is not None else None


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
    settings, plan = spec.vendor_settings, plan_of(spec)
    if settings is None or plan is None:
        return None
    return settings.base_url or plan.base_url


def api_key_header(spec: CryptoSourceSpec) -> str | None:
    """Return the header that carries the plan's key; None where the plan has no key."""
    plan = plan_of(spec)
    return None if plan is None else plan.api_key_header


def api_key_variable(spec: CryptoSourceSpec) -> str:
    """Return the environment variable that holds a source's API key, such as `COINGECKO_API_KEY`."""
    # One for each type, plugins included: a process that runs several sources must give each key to
    # its own upstream alone.
    return f"{spec.type.upper()}_API_KEY"


def monthly_quota(spec: CryptoSourceSpec) -> int | None:
    """Return the quota of requests a month; None where there is none or none is published."""
    settings, plan = spec.vendor_settings, plan_of(spec)
    if settings is None or plan is None:
        return None
    return settings.monthly_quota or plan.monthly_quota
