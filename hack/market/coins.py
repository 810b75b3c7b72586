"""The coins there are and what they cost at a moment: a pure function of seed and clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from hack.market.names import HEAD, called

TINY, GIANT = 17, 18
"""Numbers of the two coins whose price is 1e-18 and 1e18 at every moment."""
PLATFORMS = {
    "ethereum": "eth-ethereum",
    "binance-smart-chain": "bnb-binance-coin",
    "solana": "sol-solana",
}
"""CoinGecko's platform ids and CoinPaprika's for the same chains."""


@dataclass(frozen=True, kw_only=True)
class UniverseSettings:
    """What decides every generated figure, together with the clock."""

    coins: int = 100
    """How many coins each vendor lists."""
    seed: int = 1
    overlap_percent: int = 60
    """How many of CoinPaprika's coins CoinGecko lists too, under the same symbol and name."""
    refresh_seconds: int = 300
    """How long a snapshot stays the same."""
    moving_every: int = 1
    """A coin is observed anew at every n-th refresh, so that 1/n of them change at each."""

    def __post_init__(self) -> None:
        """Refuse what no universe can be made of."""
        if self.coins < 0 or self.refresh_seconds < 1 or self.moving_every < 1:
            raise ValueError("coins >= 0, refresh_seconds >= 1 and moving_every >= 1 are needed")


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin, apart from its price now."""

    number: int
    symbol: str
    name: str
    slug: str
    price: Decimal
    supply: int
    unranked: bool
    """The vendors do not know its market cap."""
    contracts: Mapping[str, str] = field(default_factory=dict)
    """CoinGecko's platform id -> address."""

    @property
    def paprika_id(self) -> str:
        """CoinPaprika's id: ticker and slug."""
        plain = "".join(c for c in self.symbol.lower() if c.isascii() and c.isalnum())
        return f"{plain or 'coin'}-{self.slug}"

    @property
    def gecko_id(self) -> str:
        """CoinGecko's id: the slug."""
        return self.slug


class Seen(NamedTuple):
    """One coin at one moment, in US dollars."""

    price: Decimal
    market_cap: int
    volume: Decimal
    change_24h: Decimal
    """Percent."""
    updated: datetime


class Universe:
    """All coins of one seed; made once, priced on demand."""

    def __init__(self, settings: UniverseSettings) -> None:
        self.settings = settings

    @cached_property
    def paprika(self) -> dict[str, Coin]:
        """CoinPaprika's coins by id, best rank first."""
        return {c.paprika_id: c for c in self._coins[: self.settings.coins]}

    @cached_property
    def gecko(self) -> dict[str, Coin]:
        """CoinGecko's coins by id, best rank first: the shared ones and as many of its own."""
        wanted = self.settings.coins
        shared = [c for c in self._coins[:wanted] if self.shares(c)]
        own = self._coins[wanted : 2 * wanted - len(shared)]
        return {c.gecko_id: c for c in [*shared, *own]}

    def shares(self, coin: Coin) -> bool:
        """Tell whether a coin of CoinPaprika is one of CoinGecko's as well."""
        if coin.number >= self.settings.coins:
            return False
        drawn = self._noise(coin.number, "shared") % 100
        return coin.number <= GIANT or drawn < self.settings.overlap_percent

    def tick(self, now: datetime) -> int:
        """Return the number of the snapshot that is served at `now`."""
        return int(now.timestamp()) // self.settings.refresh_seconds

    def see(self, coin: Coin, now: datetime) -> Seen:
        """Return the coin as it was last observed at or before `now`."""
        every = self.settings.moving_every
        tick = self.tick(now)
        tick -= (tick + coin.number) % every
        noise = self._noise(coin.number, tick)
        price = coin.price
        if coin.number not in (TINY, GIANT):
            price *= 1 + Decimal(noise % 401 - 200).scaleb(-4)
        age = (noise >> 16) % min(self.settings.refresh_seconds * 1000, 240_000)
        refreshed = datetime.fromtimestamp(tick * self.settings.refresh_seconds, tz=UTC)
        return Seen(
            price=price,
            market_cap=0 if coin.unranked else int(price * coin.supply),
            volume=price * ((noise >> 32) % 10**7),
            change_24h=Decimal((noise >> 64) % 4001 - 2000).scaleb(-2),
            updated=refreshed - timedelta(milliseconds=age),
        )

    @cached_property
    def _coins(self) -> list[Coin]:
        names = called()
        return [self._make(n, *next(names)) for n in range(2 * self.settings.coins)]

    def _make(self, number: int, symbol: str, name: str, slug: str) -> Coin:
        noise = self._noise(number, "coin")
        if number < len(HEAD):
            _, _, price, supply = HEAD[number]
            return Coin(number, symbol, name, slug, Decimal(price), supply, unranked=False)
        return Coin(
            number,
            symbol,
            name,
            slug,
            _price(number, noise),
            1 if number == GIANT else 10 ** ((noise >> 24) % 9 + 3) + (noise >> 48) % 997,
            unranked=noise % 40 == 0,
            contracts=_contracts(noise),
        )

    def _noise(self, number: int, purpose: object) -> int:
        text = f"{self.settings.seed}:{number}:{purpose}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest())


def _price(number: int, noise: int) -> Decimal:
    """Return 1 to 17 digits, mostly at 1e-3 … 1e3, some as far out as 1e-18 and 1e17."""
    if number in (TINY, GIANT):
        return Decimal("1e-18" if number == TINY else "1e18")
    digits = 1 + (noise >> 8) % 17
    coefficient = 10 ** (digits - 1) + (noise >> 40) % (9 * 10 ** (digits - 1))
    drawn, spread = noise % 100, (noise >> 100) % 100
    if drawn < 60:  # noqa: PLR2004 - six of ten are ordinary
        magnitude = spread % 7 - 3
    elif drawn < 90:  # noqa: PLR2004
        magnitude = spread % 13 - 9
    else:
        magnitude = spread % 34 - 17
    return Decimal(coefficient).scaleb(magnitude - digits + 1)


def _contracts(noise: int) -> dict[str, str]:
    """Give two of three coins none, the others an address on one or two chains."""
    if noise % 3:
        return {}
    platforms = list(PLATFORMS)[: 1 + (noise >> 4) % 2]
    return {p: f"0x{(noise ^ hash_of(p)) % 16**40:040x}" for p in platforms}


def hash_of(text: str) -> int:
    """Return a number that stands for a text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=20).digest())
