"""The cost of a schedule in requests, and the schedule that would fit the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptosource_crd.effective import effective_rate_limit, monthly_quota, plan_of
from cryptosource_crd.schedule import (
    MAX_MONTH_DAYS,
    runs_per_month,
    shortest_interval_minutes,
)

if TYPE_CHECKING:
    from cryptosource_crd.v1alpha1 import CryptoSource, CryptoSourceSpec, RateLimit

# Intervals that divide an hour or a day, so that the runs are evenly spaced.
_EVEN_SCHEDULES = (
    (1, "* * * * *"),
    *((minutes, f"*/{minutes} * * * *") for minutes in (2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    (60, "0 * * * *"),
    *((hours * 60, f"0 */{hours} * * *") for hours in (2, 3, 4, 6, 8, 12)),
    (1440, "0 0 * * *"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCost:
    """The requests that the schedule of one source makes, against its plan."""

    runs_per_month: int
    """In a month of 30 days."""
    requests_per_run: int
    """Pages; 0 where nothing is fetched. Retries and pages read again after a reshuffle are not
    counted."""
    requests_per_month: int
    """In a month of 30 days."""
    plan: str | None
    """Name of the vendor's plan."""
    quota: int | None
    """Requests per month; None: unlimited or not published."""
    fits_quota: bool
    """Whether a month of 31 days stays within the quota."""
    requests_per_minute: int
    """The rate limit of the run."""
    run_seconds: int
    """Least time that the requests of one run take at that rate."""
    fits_interval: bool
    """Whether `run_seconds` is below the shortest interval and below `activeDeadlineSeconds`."""
    fitting_schedule: str | None
    """The most frequent even schedule within quota and rate; None: not even a daily one fits."""
    fitting_interval_minutes: int | None
    """Minutes between two runs of `fitting_schedule`."""

    @property
    def fits(self) -> bool:
        """Whether the schedule fits both."""
        return self.fits_quota and self.fits_interval


def requests_per_run(spec: CryptoSourceSpec) -> int:
    """Return the requests of a run in which each succeeds at once; of a plugin's run 1."""
    vendor, settings = spec.vendor, spec.vendor_settings
    if vendor is not None and settings is not None:
        return vendor.requests_per_run(settings.selection)
    if spec.csv is not None:
        return 0 if spec.csv.url is None else 1
    return 1


def cost(source: CryptoSource) -> ScheduleCost:
    """Return what a source's schedule costs its plan."""
    spec = source.spec
    requests = requests_per_run(spec)
    rate = effective_rate_limit(spec)
    seconds = _run_seconds(requests, rate)
    quota = monthly_quota(spec)
    interval = shortest_interval_minutes(spec.schedule)
    best = _find_fitting(requests, quota=quota, seconds=seconds)
    return ScheduleCost(
        runs_per_month=runs_per_month(spec.schedule),
        requests_per_run=requests,
        requests_per_month=runs_per_month(spec.schedule) * requests,
        plan=_plan_name(spec),
        quota=quota,
        fits_quota=_fits_quota(spec.schedule, requests, quota),
        requests_per_minute=rate.requests_per_minute,
        run_seconds=seconds,
        fits_interval=seconds < min(interval * 60, spec.active_deadline_seconds),
        fitting_schedule=best and best[1],
        fitting_interval_minutes=best and best[0],
    )


def describe(source: CryptoSource) -> str:
    """Return the cost as one line of text."""
    figures = cost(source)
    if figures.requests_per_run == 0:
        return f"{figures.runs_per_month:,} runs per month, no requests"
    of_quota = ""
    if figures.plan is not None:
        allowed = "no published quota" if figures.quota is None else f"{figures.quota:,} allowed"
        of_quota = f" ({figures.plan}: {allowed})"
    return (
        f"{figures.runs_per_month:,} runs x {figures.requests_per_run:,} per run ="
        f" {figures.requests_per_month:,} requests per month{of_quota}"
    )


def warnings(source: CryptoSource) -> list[str]:
    """Return the problems of the schedule, each a sentence with what would fit instead."""
    figures = cost(source)
    found = []
    if not figures.fits_quota:
        found.append(_over_quota(figures))
    if not figures.fits_interval:
        found.append(_too_slow(source, figures))
    assets = _assets_beyond_plan(source.spec)
    if assets:
        found.append(assets)
    return found


def _run_seconds(requests: int, rate: RateLimit) -> int:
    # The burst is sent at once; the others wait for a token each.
    waiting = max(0, requests - rate.burst)
    return -(-waiting * 60 // rate.requests_per_minute)


def _fits_quota(schedule: str, requests: int, quota: int | None) -> bool:
    # A month of 31 days: a schedule that fits a month of 30 alone would stop on its last day.
    runs = runs_per_month(schedule, days=MAX_MONTH_DAYS)
    return quota is None or runs * requests <= quota


def _find_fitting(requests: int, *, quota: int | None, seconds: int) -> tuple[int, str] | None:
    return next(
        (
            (minutes, schedule)
            for minutes, schedule in _EVEN_SCHEDULES
            if seconds < minutes * 60 and _fits_quota(schedule, requests, quota)
        ),
        None,
    )


def _plan_name(spec: CryptoSourceSpec) -> str | None:
    settings = spec.vendor_settings
    return None if settings is None else f"{spec.type} {settings.plan}"


def _over_quota(figures: ScheduleCost) -> str:
    instead = (
        f"'{figures.fitting_schedule}' fits"
        if figures.fitting_schedule
        else "not even one run a day fits: select fewer coins"
    )
    return (
        f"the schedule needs {figures.requests_per_month:,} requests in 30 days and"
        f" {figures.plan} allows {figures.quota:,} a month; {instead}"
    )


def _too_slow(source: CryptoSource, figures: ScheduleCost) -> str:
    return (
        f"one run needs {figures.run_seconds} s for {figures.requests_per_run} requests at"
        f" {figures.requests_per_minute} per minute, but runs are due every"
        f" {shortest_interval_minutes(source.spec.schedule)} min and end after"
        f" {source.spec.active_deadline_seconds} s (activeDeadlineSeconds)"
    )


def _assets_beyond_plan(spec: CryptoSourceSpec) -> str | None:
    plan, settings = plan_of(spec), spec.vendor_settings
    if plan is None or settings is None or plan.max_assets is None:
        return None
    selected = settings.selection.top or len(settings.selection.ids or ())
    if selected <= plan.max_assets:
        return None
    return (
        f"{_plan_name(spec)} shows {plan.max_assets:,} coins, the selection asks for {selected:,}"
    )
