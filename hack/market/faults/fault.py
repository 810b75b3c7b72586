"""What a fault may touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hack.market.answers import Answer
from hack.market.http1 import Request

if TYPE_CHECKING:
    from hack.market.state import Market


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Nothing goes wrong; each fault overrides what it is about."""

    changes_content: ClassVar[bool] = False
    """The body is not the snapshot's, so it carries no ETag and no 304 stands for it."""

    def ask(self, market: Market, request: Request) -> None:
        """Change the market or the request before it is answered."""

    def instead(self, market: Market, request: Request) -> Answer | None:
        """Return an answer in place of the vendor's."""
        del market, request
        return None

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Change the answer."""
