"""Faults of the connection, and of what the headers promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hack.market.answers import Answer
from hack.market.faults.fault import Fault
from hack.market.http1 import Request

if TYPE_CHECKING:
    from hack.market.state import Market

Seconds = int | float | Decimal
"""The control API parses fractions as Decimal."""


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """The answer comes late."""

    seconds: Seconds

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Hold it back."""
        del market, request
        answer.delivery.delay_seconds = float(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Drip(Fault):
    """The body comes slowly, in pieces of a tenth of a second."""

    bytes_per_second: Seconds

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Slow it down."""
        del market, request
        answer.delivery.bytes_per_second = float(self.bytes_per_second)


@dataclass(frozen=True, kw_only=True)
class Drop(Fault):
    """The connection ends in the middle."""

    after: int = 0
    """Body bytes that still come; -1 ends it before the status line."""
    reset: bool = True
    """By a TCP reset; else by an ordinary close."""

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Mark where it ends."""
        del market, request
        answer.delivery.drop_after = self.after
        answer.delivery.reset = self.reset


@dataclass(frozen=True, kw_only=True)
class Hang(Fault):
    """The request is read and nothing ever comes back."""

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Say nothing."""
        del market, request
        answer.delivery.hang = True


@dataclass(frozen=True, kw_only=True)
class WrongLength(Fault):
    """The Content-Length is `error` bytes more, or less, than the body that comes."""

    error: int = 100

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Lie."""
        del market, request
        answer.delivery.length_error = self.error


@dataclass(frozen=True, kw_only=True)
class Headers(Fault):
    """Other headers than usual, such as a wrong Content-Type or one of 64 KiB."""

    headers: Mapping[str, str]

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Set them."""
        del market, request
        answer.headers.update(self.headers)
