"""Rate limits and monthly quotas, per key or per address where there is no key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What one caller may do."""

    requests_per_minute: float | None = None
    """None: as fast as it likes."""
    burst: int = 1
    monthly: int | None = None
    """Calls per calendar month. None: no quota."""
    status: int = 429
    """The answer when the bucket is empty; CoinPaprika uses 402 as well."""
    quota_status: int = 429
    """The answer when the month is used up."""
    retry_after: str = "seconds"
    """`seconds`, `date`, `none`, or the header's own text, such as `99999999`."""
    ban_after: int | None = None
    """After so many refusals in a row the caller is banned and answered 418, as Binance does."""
    ban_seconds: float = 120.0
    failures_cost: bool = False
    """Whether answers other than 200 use up the monthly quota."""


@dataclass(frozen=True)
class Refusal:
    """Why a request is not served."""

    status: int
    wait_seconds: float


@dataclass
class _Account:
    tokens: float
    filled_at: float
    refused_in_a_row: int = 0
    banned_until: float = 0.0
    used: dict[str, int] = field(default_factory=dict)


class Gate:
    """Token bucket, quota and ban of every caller of one vendor."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._accounts: dict[str, _Account] = {}

    def admit(self, caller: str, *, at: float, now: datetime) -> Refusal | None:
        """Take a token for a caller, or say why there is none.

        Args:
            caller: its key or address.
            at: monotonic seconds.
            now: wall time, whose month counts.
        """
        account = self._account(caller, at)
        refusal = self._refuse(account, at=at, now=now)
        if refusal is None:
            account.refused_in_a_row = 0
            account.tokens -= 1
            return None
        account.refused_in_a_row += 1
        ban_after, banned = self.limit.ban_after, at < account.banned_until
        if ban_after is not None and not banned and account.refused_in_a_row >= ban_after:
            account.banned_until = at + self.limit.ban_seconds
        return refusal

    def charge(self, caller: str, status: int, *, at: float, now: datetime) -> None:
        """Count an answered request against the month."""
        if status == 200 or self.limit.failures_cost:  # noqa: PLR2004
            used = self._account(caller, at).used
            used[_month(now)] = used.get(_month(now), 0) + 1

    def used(self, caller: str, *, now: datetime) -> int:
        """Return how much of this month's quota a caller has used."""
        account = self._accounts.get(caller)
        return account.used.get(_month(now), 0) if account else 0

    def _refuse(self, account: _Account, *, at: float, now: datetime) -> Refusal | None:
        if at < account.banned_until:
            return Refusal(418, account.banned_until - at)
        monthly = self.limit.monthly
        if monthly is not None and account.used.get(_month(now), 0) >= monthly:
            return Refusal(self.limit.quota_status, _seconds_left_of_month(now))
        rate = self.limit.requests_per_minute
        if rate is not None and account.tokens < 1:
            return Refusal(self.limit.status, (1 - account.tokens) * 60 / rate)
        return None

    def _account(self, caller: str, at: float) -> _Account:
        burst = float(self.limit.burst)
        account = self._accounts.setdefault(caller, _Account(burst, at))
        gained = (at - account.filled_at) * (self.limit.requests_per_minute or 0) / 60
        if self.limit.requests_per_minute is None:
            gained = burst
        account.tokens = min(burst, account.tokens + gained)
        account.filled_at = at
        return account


def retry_after(style: str, seconds: float, now: datetime) -> dict[str, str]:
    """Return the Retry-After header in one of its forms; whole seconds, rounded up."""
    whole = int(-(-seconds // 1))
    if style == "none":
        return {}
    if style == "seconds":
        return {"Retry-After": str(whole)}
    if style == "date":
        moment = now + timedelta(seconds=whole)
        return {"Retry-After": format_datetime(moment, usegmt=True)}
    return {"Retry-After": style}


def _month(now: datetime) -> str:
    return f"{now:%Y-%m}"


def _seconds_left_of_month(now: datetime) -> float:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return ((first + timedelta(days=32)).replace(day=1) - now).total_seconds()
