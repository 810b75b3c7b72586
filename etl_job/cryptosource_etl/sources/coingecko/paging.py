"""Which pages of `/coins/markets` to ask for, and how far a pass over them has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptosource_crd.v1alpha1 import Selection
from cryptosource_crd.v1alpha1.vendors.coingecko import PAGE_SIZE
from cryptosource_etl.http import Response, Validators
from cryptosource_etl.records import Cursor, Page, RawRecord

NOT_MODIFIED = 304

MAX_PAGES = 400
"""100 000 coins, five times what CoinGecko lists: an upstream that never ends its pages is cut."""

MAX_READ_AGAIN = 2
"""Extra requests a pass may spend on coins that slipped past; the next pass has them anyway."""

_ALWAYS = {"vs_currency": "usd", "precision": "full", "price_change_percentage": "24h"}


class MarketRequests:
    """The requests of one pass, page by page.

    Args:
        selection: the coins the spec asks for.
    """

    def __init__(self, selection: Selection) -> None:
        self._top = selection.top
        self._ids = selection.ids
        self._per_page = min(PAGE_SIZE, self._top or PAGE_SIZE)

    @property
    def may_reshuffle(self) -> bool:
        """Whether coins may move between two requests: by rank they do, by id they do not."""
        return self._top is not None and self._top > PAGE_SIZE

    @property
    def total(self) -> int | None:
        """How many coins a pass has at most, where the spec says so."""
        return len(self._ids) if self._ids else self._top

    def page(self, number: int) -> Mapping[str, str] | None:
        """Return the query of a page, from 1; None when there is no such page."""
        start = (number - 1) * PAGE_SIZE
        if self._ids is not None:
            chunk = self._ids[start : start + PAGE_SIZE]
            ids = {"ids": ",".join(chunk), "order": "id_asc", "per_page": str(PAGE_SIZE)}
            return _ALWAYS | ids | {"page": "1"} if chunk else None
        if number > MAX_PAGES or (self._top is not None and start >= self._top):
            return None
        order = "id_asc" if self._top is None else "market_cap_desc"
        paging = {"order": order, "per_page": str(self._per_page), "page": str(number)}
        return _ALWAYS | paging

    def wanted(self, number: int, coins: Sequence[RawRecord]) -> list[RawRecord]:
        """Return the coins of a page that belong to the selection."""
        if self._top is None:
            return list(coins)
        return list(coins[: self._top - (number - 1) * PAGE_SIZE])

    def ends_with(self, count: int) -> bool:
        """Return whether a page of that many coins is the last."""
        return self._ids is None and count < self._per_page


@dataclass
class Progress:
    """How far a pass has come; its JSON is the cursor."""

    page: int = 1
    """The page to read next, from 1."""
    after_id: str | None = None
    """The last coin of that page which is in already."""
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By page: its validators and how many coins it had."""
    is_new: bool = True
    """Nothing of this pass has been handed out yet."""
    is_whole: bool = True
    """Every page so far was read in full."""

    @classmethod
    def resume(cls, cursor: Cursor) -> Progress:
        """Return the progress that a checkpoint's cursor stands for."""
        page, after_id = int(cursor.get("page", 1)), cursor.get("after_id")
        fresh = page == 1 and after_id is None
        pages = dict(cursor.get("pages", {}))
        return cls(page=page, after_id=after_id, pages=pages, is_new=fresh, is_whole=fresh)

    def validators_of_page(self) -> Validators | None:
        """Return what makes the next request conditional; nothing for a page that was cut."""
        if self.after_id is not None:
            return None
        return Validators.from_json(self.pages.get(str(self.page)))

    def count_on_page(self) -> int:
        """Return how many coins the page had when its validators were stored."""
        return int(self.pages.get(str(self.page), {}).get("count", 0))

    def position_in(self, coins: Sequence[RawRecord]) -> int:
        """Return where to go on in a page that was cut; 0 when its last coin is gone."""
        if self.after_id is None:
            return 0
        ids = [coin.external_id for coin in coins]
        return ids.index(self.after_id) + 1 if self.after_id in ids else 0

    def cursors(
        self, batch: Sequence[RawRecord], response: Response | None, count: int
    ) -> Callable[[int], Cursor]:
        """Return the cursor after n coins of a batch; the page's last batch has its response."""
        page, pages, validators = self.page, dict(self.pages), self._validators_of(response)
        self.is_new = False

        def after(done: int) -> Cursor:
            if response is not None and done == len(batch):
                return {"page": page + 1, "pages": _with_page(pages, page, validators, count)}
            ids = [coin.external_id for coin in batch[:done] if coin.external_id]
            return {"page": page, "pages": pages} | ({"after_id": ids[-1]} if ids else {})

        return after

    def finish_page(self, response: Response, count: int) -> None:
        """Go on to the next page."""
        if response.status == NOT_MODIFIED:
            self.is_whole = False
        else:
            validators = self._validators_of(response)
            self.pages = _with_page(self.pages, self.page, validators, count)
        self.page += 1
        self.after_id = None

    def _validators_of(self, response: Response | None) -> Validators | None:
        """Return what marks a page as loaded: nothing, when its first coins are of another answer."""
        return response.validators if response and self.after_id is None else None

    def unmoved(self, _done: int) -> Cursor:
        """Return the cursor of coins read out of turn."""
        return {"page": self.page, "pages": self.pages}

    def end_of_pass(self, now: datetime) -> Page:
        """Return the empty page that makes the next pass start over."""
        pages = {number: known for number, known in self.pages.items() if int(number) < self.page}

        def after(_done: int) -> Cursor:
            return {"pages": pages} if pages else {}

        return Page(records=[], cursor_after=after, received_at=now, complete=self.is_whole)


def _with_page(
    pages: Mapping[str, dict[str, Any]], page: int, validators: Validators | None, count: int
) -> dict[str, dict[str, Any]]:
    rest = {number: known for number, known in pages.items() if number != str(page)}
    if validators is None:
        return rest
    return rest | {str(page): {**validators.as_json(), "count": count}}


class Sightings:
    """Notices coins that slipped from page to page between two requests."""

    def __init__(self) -> None:
        self._page_of: dict[str, int] = {}
        self._slips: dict[int, None] = {}

    def note(self, page: int, coins: Sequence[RawRecord]) -> None:
        """Take in a page. A coin seen before sank, so another rose past us onto that page."""
        for coin in coins:
            if coin.external_id is None:
                continue
            earlier = self._page_of.setdefault(coin.external_id, page)
            if earlier != page:
                self._slips[earlier] = None

    def know_all(self, coins: Sequence[RawRecord]) -> bool:
        """Return whether a full page shows nothing but coins of earlier pages."""
        return len(coins) >= PAGE_SIZE and all(coin.external_id in self._page_of for coin in coins)

    def pages_with_slips(self) -> list[int]:
        """Return the pages to read once more, in order."""
        return sorted(self._slips)[:MAX_READ_AGAIN]

    def unseen(self, coins: Sequence[RawRecord]) -> list[RawRecord]:
        """Return the coins that no page has shown yet."""
        return [coin for coin in coins if coin.external_id not in self._page_of]
