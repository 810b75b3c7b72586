"""Faults of paging: what moves while a client walks through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hack.market.faults.fault import Fault
from hack.market.http1 import Request

if TYPE_CHECKING:
    from hack.market.state import Market


@dataclass(frozen=True, kw_only=True)
class Reshuffle(Fault):
    """Ranks differ at every request, so that a walk by rank misses coins and sees others twice."""

    changes_content: ClassVar[bool] = True
    within: int = 20
    """How many places a coin may move."""

    def ask(self, market: Market, request: Request) -> None:
        """Mix up this answer's order; `id_asc` does not notice."""
        del market
        request.reshuffle = self.within


@dataclass(frozen=True, kw_only=True)
class NewCoin(Fault):
    """Before this request is answered a coin appears, ahead of all others in every order."""

    id: str | None = None
    """None: made of the request's number."""

    def ask(self, market: Market, request: Request) -> None:
        """List it; everyone else moves down a place."""
        coin_id = self.id or f"00-new-{request.number}"
        market.add_generated(request.vendor or "gecko", coin_id, first=True)


@dataclass(frozen=True, kw_only=True)
class RepeatPage(Fault):
    """Whatever page is asked for, this one comes: a walk without loop detection never ends."""

    changes_content: ClassVar[bool] = True
    page: int = 1

    def ask(self, market: Market, request: Request) -> None:
        """Ask for another page."""
        del market
        request.query = {**request.query, "page": str(self.page)}
