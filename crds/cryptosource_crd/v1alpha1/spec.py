"""The spec of a CryptoSource."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from cryptosource_crd.schedule import check_schedule, check_time_zone
from cryptosource_crd.v1alpha1.bounded_strings import ExternalId
from cryptosource_crd.v1alpha1.closed_model import ClosedModel
from cryptosource_crd.v1alpha1.operation import (
    Freshness,
    JobHistory,
    RateLimit,
    Resources,
    Retry,
)
from cryptosource_crd.v1alpha1.origin import Origin

# The type is part of every external id's scope, and is kept in lower case.
PIN = re.compile(r"^[a-z][a-z0-9]{0,62}:[^\x00-\x1f\x7f]{1,256}$")
Pin = Annotated[str, Field(min_length=3, max_length=320, pattern=PIN.pattern)]


class Identity(ClosedModel):
    """What is known for certain about which coin is which."""

    pins: dict[ExternalId, Pin] = Field(default_factory=dict, max_length=1_000)
    """This source's external id -> the same coin elsewhere, as `<source type in lower case>:<its
    external id>`, such as `{btc-bitcoin: "coingecko:bitcoin"}`. At most 1000. Pins go before every
    other evidence. Default: none."""


class CryptoSourceSpec(Origin):
    """Where data comes from, when, and how carefully."""

    identity: Identity = Identity()
    """Coins whose identity is known. Default: none pinned."""
    schedule: str = Field(min_length=5, max_length=120)
    """Five cron fields (minute, hour, day of month, month, day of week) or one of `@hourly`,
    `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`."""
    time_zone: str = Field(default="Etc/UTC", min_length=1, max_length=64)
    """IANA zone in which the schedule is read. Default `Etc/UTC`: no run is skipped or doubled
    when clocks change."""
    suspend: bool = False
    """True stops scheduled runs; one that is under way ends normally. Default false."""
    run_on_create: bool = True
    """Whether the first run starts at once instead of at the first due time. Default true."""
    concurrency_policy: Literal["Forbid", "Allow", "Replace"] = "Forbid"
    """What happens when a run is due while another is under way. Default `Forbid`. With `Allow`
    too, two runs of one source never load at once: the later one ends as `skipped`."""
    starting_deadline_seconds: int = Field(default=120, ge=10, le=86_400)
    """How late a run may start, in seconds, 10 to 86400; later it is missed. Default 120: a
    cluster that was down starts no crowd of old runs."""
    active_deadline_seconds: int = Field(default=900, ge=10, le=86_400)
    """How long a run may take, in seconds, 10 to 86400. Default 900: longer than any vendor's
    full pass, short enough that a hung one is noticed."""
    job_history: JobHistory = JobHistory()
    """Finished Jobs that Kubernetes keeps. Default 3 and 5."""
    rate_limit: RateLimit | None = None
    """Requests per minute and burst. Default: the plan's."""
    retry: Retry = Retry()
    """Attempts per request. Default 5 within 60 seconds each."""
    batch_size: int = Field(default=1_000, ge=1, le=10_000)
    """Records per page, that is per transaction, 1 to 10000. Default 1000: larger pages load
    hardly faster and lose more work when a run is cut."""
    reject_limit_percent: int = Field(default=5, ge=0, le=100)
    """Share of bad records in percent above which a run fails, 0 to 100. Default 5: one bad record
    stops nothing, a changed format is noticed."""
    freshness: Freshness = Freshness()
    """When the source's data counts as stale. Default after 900 seconds."""
    resources: Resources = Resources()
    """Processor and memory of a run's container. Default: the operator's."""

    @field_validator("schedule")
    @classmethod
    def _accepted_by_kubernetes(cls, value: str) -> str:
        return check_schedule(value)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_time_zone(value)
