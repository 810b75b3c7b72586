"""The requests for the pages of `/coins/markets`, and the progress of a pass over them."""

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

# 100 000 coins, five times what CoinGecko lists: a bound for an upstream whose pages never end.
MAX_PAGES = 400
"""Pages of a pass."""

# More would spend the plan's quota on coins that the next pass has anyway.
MAX_READ_AGAIN = 2
"""Pages that a pass reads again for coins that moved between two requests."""

# `precision=full`: without it CoinGecko rounds prices.
_PARAMETERS = {"vs_currency": "usd", "precision": "full", "price_change_percentage": "24h"}


class MarketRequests:
    """The requests of one pass, page by page.

    Args:
        selection: the coins the spec asks for.
    """

    def __init__(self, selection: Selection) -> None:
        self._top = selection.top
        self._ids = selection.ids
        # The same for every page, also the last one of a top N: CoinGecko counts pages in it.
        self._per_page = min(PAGE_SIZE, self._top or PAGE_SIZE)

    @property
    def may_reshuffle(self) -> bool:
        """Whether coins may move between pages: in the order of ranks they do, by id they do not."""
        return self._top is not None and self._top > PAGE_SIZE

    @property
    def total(self) -> int | None:
        """How many coins a pass has at most, if the spec limits them."""
        return len(self._ids) if self._ids else self._top

    def page(self, number: int) -> Mapping[str, str] | None:
        """Return the query of a page, from 1; None when there is no such page."""
        start = (number - 1) * PAGE_SIZE
        if self._ids is not None:
            chunk = self._ids[start : start + PAGE_SIZE]
            ids = {"ids": ",".join(chunk), "order": "id_asc", "per_page": str(PAGE_SIZE)}
            return _PARAMETERS | ids | {"page": "1"} if chunk else None
        if number > MAX_PAGES or (self._top is not None and start >= self._top):
            return None
        order = "id_asc" if self._top is None else "market_cap_desc"
        paging = {"order": order, "per_page": str(self._per_page), "page": str(number)}
        return _PARAMETERS | paging

    def selected(self, number: int, coins: Sequence[RawRecord]) -> list[RawRecord]:
        """Return the coins of a page that belong to the selection."""
        if self._top is None:
            return list(coins)
        return list(coins[: self._top - (number - 1) * PAGE_SIZE])

    def ends_with(self, count: int) -> bool:
        """Return whether a page of that many coins is the last."""
        return self._ids is None and count < self._per_page


@dataclass
class Progress:
    """The progress of a pass; the cursors are made from it."""

    page: int = 1
    """The page to read next, from 1."""
    after_id: str | None = None
    """The last coin of that page that is committed already."""
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Page number -> its validators and its count of coins."""
    is_new: bool = True
    """No batch of this pass has been yielded yet."""
    is_whole: bool = True
    """Every page so far was read in full."""

    @classmethod
    def resume(cls, cursor: Cursor) -> Progress:
        """Return the progress at a checkpoint's cursor."""
        page, after_id = int(cursor.get("page", 1)), cursor.get("after_id")
        fresh = page == 1 and after_id is None
        pages = dict(cursor.get("pages", {}))
        return cls(page=page, after_id=after_id, pages=pages, is_new=fresh, is_whole=fresh)

    def validators_of_page(self) -> Validators | None:
        """Return the validators for the next request; None for a page that was loaded in part."""
        # "Not modified" would skip the rest of the page.
        if self.after_id is not None:
            return None
        return Validators.from_json(self.pages.get(str(self.page)))

    def count_on_page(self) -> int:
        """Return how many coins the page had when its validators were stored."""
        return int(self.pages.get(str(self.page), {}).get("count", 0))

    def position_in(self, coins: Sequence[RawRecord]) -> int:
        """Return the index of the first coin that is not committed; 0 if the last one is gone."""
        if self.after_id is None:
            return 0
        # Without that coin there is no telling how many are in, so the page is loaded again: what is
        # stored already is found to be unchanged.
        ids = [coin.external_id for coin in coins]
        return ids.index(self.after_id) + 1 if self.after_id in ids else 0

    def cursors(
        self, batch: Sequence[RawRecord], response: Response | None, count: int
    ) -> Callable[[int], Cursor]:
        """Return a function from a count of coins of the batch to the cursor after them.

        Args:
            batch: coins of the current page.
            response: that of the page, for its last batch; else None.
            count: coins of the whole page.
        """
        # Copied now: the cursor is asked for when the batch is committed, and by then this object
        # may be pages further, in the extracting thread.
        page, pages, validators = self.page, dict(self.pages), self._validators_of(response)
        self.is_new = False

        def after(done: int) -> Cursor:
            if response is not None and done == len(batch):
                return {"page": page + 1, "pages": _replace_page(pages, page, validators, count)}
            ids = [coin.external_id for coin in batch[:done] if coin.external_id]
            return {"page": page, "pages": pages} | ({"after_id": ids[-1]} if ids else {})

        return after

    def finish_page(self, response: Response, count: int) -> None:
        """Go on to the next page."""
        if response.status == NOT_MODIFIED:
            self.is_whole = False
        else:
            validators = self._validators_of(response)
            self.pages = _replace_page(self.pages, self.page, validators, count)
        self.page += 1
        self.after_id = None

    def _validators_of(self, response: Response | None) -> Validators | None:
        """Return the validators that mark a page as loaded."""
        # None for a page whose first coins are of another answer: no validator covers both.
        return response.validators if response and self.after_id is None else None

    def current_cursor(self, _done: int) -> Cursor:
        """Return the present cursor, for coins that are read again out of order."""
        return {"page": self.page, "pages": self.pages}

    def end_of_pass(self, now: datetime) -> Page:
        """Return the empty page whose cursor starts the next pass."""
        # Validators of pages beyond the last one of this pass are of no use any more.
        pages = {number: entry for number, entry in self.pages.items() if int(number) < self.page}

        def after(_done: int) -> Cursor:
            return {"pages": pages} if pages else {}

        return Page(records=[], cursor_after=after, received_at=now, complete=self.is_whole)


def _replace_page(
    pages: Mapping[str, dict[str, Any]], page: int, validators: Validators | None, count: int
) -> dict[str, dict[str, Any]]:
    rest = {number: entry for number, entry in pages.items() if number != str(page)}
    if validators is None:
        return rest
    return rest | {str(page): {**validators.as_json(), "count": count}}


class SeenCoins:
    """Detects coins that moved from page to page between two requests."""

    def __init__(self) -> None:
        self._page_of: dict[str, int] = {}
        # Used as a set that keeps its order.
        self._shifted: dict[int, None] = {}

    def add(self, page: int, coins: Sequence[RawRecord]) -> None:
        """Add the coins of a page."""
        # A coin that was on an earlier page has lost rank, so another one has risen onto that page
        # after it was read, and has been missed.
        for coin in coins:
            if coin.external_id is None:
                continue
            earlier = self._page_of.setdefault(coin.external_id, page)
            if earlier != page:
                self._shifted[earlier] = None

    def contains_all(self, coins: Sequence[RawRecord]) -> bool:
        """Return whether a full page holds only coins of earlier pages."""
        return len(coins) >= PAGE_SIZE and all(coin.external_id in self._page_of for coin in coins)

    def shifted_pages(self) -> list[int]:
        """Return the numbers of the pages to read again, in order."""
        return sorted(self._shifted)[:MAX_READ_AGAIN]

    def unseen(self, coins: Sequence[RawRecord]) -> list[RawRecord]:
        """Return the coins that were on no page so far."""
        return [coin for coin in coins if coin.external_id not in self._page_of]
