"""The page with the list of coins: search, sort order, prices by source, a week's sparkline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.coins.coin_list import contains_pattern, fold_symbol
from cryptosource_api.http.parameters import Name, Parameters
from cryptosource_api.page.charts.sparkline import Sparkline, sparkline
from cryptosource_store.statements import web_page as sql
from cryptosource_store.statements.record_pages import TOTAL_CAP

PAGE_SIZE = 50
MAX_PAGE = 2_000
"""Last page that can be reached; the search and the API go further."""
COLUMNS = 4
"""Most columns of sources: the selected one, and those with most coins."""

if TYPE_CHECKING:  # a type checker reads no Literal that is made
    Sort = str
else:
    Sort = Literal[sql.COIN_SORTS]


class CoinsParameters(Parameters):
    """Parameters of `/coins`."""

    q: Name = None
    source: int | None = Field(default=None, ge=1, lt=2**31)
    sort: Sort = "rank"
    order: Literal["asc", "desc"] = "asc"
    page: int = Field(default=1, ge=1, le=MAX_PAGE)

    @property
    def wanted(self) -> str:
        """The text to search for."""
        return (self.q or "").strip()


@dataclass(frozen=True, kw_only=True)
class SourcePrice:
    """The price of one source."""

    price: Decimal | None
    observed_at: datetime


@dataclass(frozen=True, kw_only=True)
class CoinRow:
    """One row."""

    coin: Mapping[Any, Any]
    prices: Sequence[SourcePrice | None]
    """In the order of the columns; None if the source does not have the coin."""
    elsewhere: int
    """Number of sources that have the coin and no column."""
    week: Sparkline | None


@dataclass(frozen=True, kw_only=True)
class CoinList:
    """The content of the page."""

    now: datetime
    coins: Sequence[CoinRow]
    columns: Sequence[Mapping[Any, Any]]
    choices: Sequence[Mapping[Any, Any]]
    asked: CoinsParameters
    total: int
    capped: bool
    """There are more than `total`."""
    page_size: int = PAGE_SIZE

    @property
    def pages(self) -> int:
        """Number of pages that can be reached."""
        return min(max(1, -(-self.total // PAGE_SIZE)), MAX_PAGE)

    def sorted_by(self, column: str, *, first: str) -> dict[str, Any]:
        """Return the parameters of a link that sorts by a column, or reverses its order."""
        opposite = {"asc": "desc", "desc": "asc"}
        order = opposite[self.asked.order] if self.asked.sort == column else first
        return {
            "q": self.asked.wanted,
            "source": self.asked.source,
            "sort": column,
            "order": order,
        }

    def direction(self, column: str) -> str:
        """Return a column's `aria-sort`."""
        if self.asked.sort != column:
            return "none"
        return "ascending" if self.asked.order == "asc" else "descending"


def read_coins(connection: Connection, parameters: CoinsParameters) -> CoinList:
    """Return a page of coins."""
    choices = connection.execute(sql.SOURCE_CHOICES).mappings().all()
    statement = sql.coins_statement(
        searched=bool(parameters.wanted),
        of_source=parameters.source is not None,
        sort=parameters.sort,
        descending=parameters.order == "desc",
    )
    bound = {
        "size": PAGE_SIZE,
        "offset": (parameters.page - 1) * PAGE_SIZE,
        **_bind_search(parameters),
    }
    rows = connection.execute(statement, bound).mappings().all()
    columns = _columns(choices, rows, parameters.source)
    # Each row carries the total; a page beyond the last one has no row.
    total = rows[0]["total"] if rows else 0
    return CoinList(
        now=rows[0]["now"] if rows else connection.scalar(sql.NOW),
        coins=[_coin_row(row, columns) for row in rows],
        columns=columns,
        choices=choices,
        asked=parameters,
        total=total,
        capped=total >= TOTAL_CAP,
    )


def _bind_search(parameters: CoinsParameters) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    if parameters.wanted:
        bound["pattern"] = contains_pattern(parameters.wanted)
        bound["symbol"] = fold_symbol(parameters.wanted)
    if parameters.source is not None:
        bound["source_id"] = parameters.source
    return bound


def _columns(
    choices: Sequence[Mapping[Any, Any]], rows: Sequence[Mapping[Any, Any]], chosen: int | None
) -> list[Mapping[Any, Any]]:
    """Return the sources that get a column: the selected one, then those with most coins."""
    seen = {int(source_id) for row in rows for source_id in row["views"] or ()}
    visible = [choice for choice in choices if choice["source_id"] in seen]
    # Stable: the choices are sorted by their number of coins already.
    visible.sort(key=lambda choice: choice["source_id"] != chosen)
    return visible[:COLUMNS]


def _coin_row(row: Mapping[Any, Any], columns: Sequence[Mapping[Any, Any]]) -> CoinRow:
    views = {int(source_id): view for source_id, view in (row["views"] or {}).items()}
    prices = [views.pop(column["source_id"], None) for column in columns]
    return CoinRow(
        coin=row,
        prices=[view and _price(*view) for view in prices],
        elsewhere=len(views),
        week=sparkline(row["week"] or ()),
    )


def _price(price: str | None, observed_at: str) -> SourcePrice:
    return SourcePrice(
        price=None if price is None else Decimal(price),
        observed_at=datetime.fromisoformat(observed_at),
    )
