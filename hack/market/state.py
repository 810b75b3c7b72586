"""The market as it stands: clock, coins, books, keys, limits, rules and the log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hack.market.access import KeyKind, key_of
from hack.market.book import Book
from hack.market.clock import MarketClock
from hack.market.coins import Universe, UniverseSettings, hash_of
from hack.market.http1 import VENDORS, Request
from hack.market.jsontext import Fragment, text_of
from hack.market.limits import Gate, Limit
from hack.market.log import Log
from hack.market.recording import load_recording
from hack.market.rules import Rules
from hack.market.vendors import gecko_row, paprika_ticker


class Market:
    """Everything that answers depend on. Owned by the server's event loop.

    Args:
        settings: what is generated.
        clock: the market's time.
        recordings: vendor -> a recorded JSON file that it serves in place of generated coins.
    """

    def __init__(
        self,
        settings: UniverseSettings | None = None,
        *,
        clock: MarketClock | None = None,
        recordings: Mapping[str, Path] | None = None,
    ) -> None:
        self.clock = clock or MarketClock()
        self.log = Log()
        self._opened_with = settings or UniverseSettings()
        self._recordings = dict(recordings or {})
        self.reset()

    def reset(self) -> None:
        """Begin anew with what the market was opened with; only the clock goes on."""
        self.rules = Rules()
        self.keys: dict[str, KeyKind] = {}
        self.gates = {vendor: Gate(Limit()) for vendor in VENDORS}
        self.etags = True
        self.log.clear()
        self.restock(self._opened_with)

    def restock(self, settings: UniverseSettings) -> None:
        """Serve another universe; edits of coins are gone, rules and keys stay."""
        self.universe = Universe(settings)
        self.paprika = self._book("paprika")
        self.gecko = self._book("gecko")

    def replay(self, vendor: str, recording: Path) -> None:
        """Serve a recorded file for one vendor.

        Raises:
            ValueError: when it holds no array of records.
            OSError: when it cannot be read.
        """
        load_recording(recording)
        self._recordings[vendor] = recording
        self.restock(self.universe.settings)

    @property
    def gecko_ranks(self) -> Mapping[str, int]:
        """CoinGecko's own rank of each generated coin."""
        if self._ranks_of is not self.universe:
            self._ranks = {coin_id: n for n, coin_id in enumerate(self.universe.gecko, start=1)}
            self._ranks_of = self.universe
        return self._ranks

    _ranks: Mapping[str, int]
    _ranks_of: Universe | None = None

    def book(self, vendor: str | None) -> Book:
        """Return what a vendor lists; the CSV file is CoinPaprika's.

        Raises:
            LookupError: for a vendor that is none.
        """
        if vendor not in VENDORS:
            raise LookupError(f"no vendor {vendor!r}; there are {', '.join(VENDORS)}")
        return self.gecko if vendor == "gecko" else self.paprika

    def aliases(self, vendor: str | None) -> Mapping[str, str]:
        """Return the short names of a vendor's fields."""
        return gecko_row.ALIASES if vendor == "gecko" else paprika_ticker.ALIASES

    def add_generated(self, vendor: str, coin_id: str, *, first: bool) -> None:
        """List a copy of the vendor's best coin under a new id and name."""
        book, now = self.book(vendor), self.clock.now()
        coin = next(iter(self.universe.paprika.values()))
        seen = self.universe.see(coin, now)
        fragment: Fragment
        if vendor == "gecko":
            fragment = gecko_row.row(coin, seen, rank=1, currency="usd", precision="full")
        else:
            fragment = paprika_ticker.ticker(coin, seen, currencies=("USD",))
        fragment.update(
            {"id": text_of(coin_id), "name": text_of(f"New {coin_id}"), "symbol": text_of("NEW")}
        )
        book.add(coin_id, fragment, first=first)

    def ordered(self, book: Book, request: Request) -> list[str]:
        """Return a book's ids by rank, mixed up where the request meets a reshuffle."""
        ids = book.ids()
        if request.reshuffle:
            salt, within = f"{self.universe.settings.seed}:{request.number}", request.reshuffle
            places = {coin_id: n for n, coin_id in enumerate(ids)}
            ids.sort(key=lambda i: (places[i] + hash_of(f"{salt}:{i}") % within, places[i]))
        return ids

    def etag(self, request: Request) -> str:
        """Return the weak validator of what this request is answered with now."""
        now = self.clock.now()
        query = sorted((k, v) for k, v in request.query.items() if not k.startswith("x_cg"))
        version = self.book(request.vendor or "paprika").version(now)
        tick = self.universe.tick(now)
        stock = f"{self.universe.settings}:{self._recordings}"
        seed = f"{stock}:{version}:{tick}:{request.path}:{query}"
        return f'W/"{hash_of(seed):040x}"'

    def caller(self, request: Request) -> str:
        """Return who is counted: the key, or the address."""
        return key_of(request) or request.client

    def usage(self, request: Request) -> int:
        """Return how much of the month's quota the caller has used."""
        vendor = request.vendor or "paprika"
        return self.gates[vendor].used(self.caller(request), now=self.clock.now())

    def _book(self, vendor: str) -> Book:
        aliases = self.aliases(vendor)
        if vendor in self._recordings:
            return Book(load_recording(self._recordings[vendor]), aliases=aliases)
        coins = self.universe.gecko if vendor == "gecko" else self.universe.paprika
        return Book(coins, aliases=aliases)
