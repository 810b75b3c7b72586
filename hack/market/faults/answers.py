"""Faults that stand in for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hack.market.answers import Answer
from hack.market.faults.fault import Fault
from hack.market.http1 import Request
from hack.market.limits import retry_after
from hack.market.shapes import RATE_LIMITED, SHAPES, error_answer

if TYPE_CHECKING:
    from hack.market.state import Market

_DEFAULT_SHAPES = {"paprika": "paprika", "gecko": "gecko_status"}


@dataclass(frozen=True, kw_only=True)
class Status(Fault):
    """An error, in one of the shapes that were seen."""

    status: int = 500
    shape: str | None = None
    """One of `shapes.SHAPES`; None is the vendor's own."""
    message: str | None = None
    code: int | None = None
    """The vendor's own error number."""
    retry_after: int | str | None = None
    """Seconds, or the header's own text; `date:<seconds>` is that far ahead as an HTTP date."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a shape nobody has seen."""
        if self.shape is not None and self.shape not in SHAPES:
            raise ValueError(f"no shape {self.shape!r}; there are {', '.join(SHAPES)}")

    def instead(self, market: Market, request: Request) -> Answer:
        """Return the error."""
        vendor = request.vendor or "paprika"
        throttled = RATE_LIMITED.get(vendor, "slow down")
        message = self.message or (throttled if self.status == 429 else "internal error")  # noqa: PLR2004
        now = market.clock.now()
        answer = error_answer(
            self.status,
            shape=self.shape or _DEFAULT_SHAPES.get(vendor, "empty"),
            message=message,
            code=self.code,
            now=now,
        )
        wait = None if self.retry_after is None else str(self.retry_after)
        if wait is not None and wait.startswith("date:"):
            answer.headers.update(retry_after("date", float(wait.removeprefix("date:")), now))
        elif wait is not None:
            answer.headers["Retry-After"] = wait
        answer.headers.update(self.headers)
        return answer


@dataclass(frozen=True, kw_only=True)
class Redirect(Fault):
    """Somewhere else. `location` may be anything: another host, a private address, `file:`."""

    location: str
    status: int = 302

    def instead(self, market: Market, request: Request) -> Answer:
        """Return the redirect."""
        del market, request
        return Answer(status=self.status, headers={"Location": self.location})
