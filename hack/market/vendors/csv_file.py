"""CoinPaprika's coins once more, as a CSV file at `/csv/coins.csv`."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from typing import TYPE_CHECKING

from hack.market.answers import Answer
from hack.market.http1 import Request
from hack.market.jsontext import Fragment, Raw, encode, get
from hack.market.vendors import paprika
from hack.market.vendors.paprika_ticker import ALIASES

if TYPE_CHECKING:
    from hack.market.state import Market

COLUMNS = {
    "symbol": "symbol",
    "name": "name",
    "price_usd": ALIASES["price"],
    "market_cap_usd": ALIASES["market_cap"],
    "volume_24h_usd": ALIASES["volume_24h"],
    "percent_change_24h": ALIASES["percent_change_24h"],
    "created_at": "last_updated",
}
"""Column -> where its value stands in a ticker."""


def answer(market: Market, request: Request) -> Answer:
    """Answer one request for the file."""
    if request.path != "/csv/coins.csv":
        return Answer(status=404, headers={"Content-Type": "text/plain"}, body=b"not found\n")
    book = market.paprika
    return Answer(
        headers={"Content-Type": "text/csv; charset=utf-8"},
        records=book.records(
            market.ordered(book, request), partial(paprika.draw, market), now=market.clock.now()
        ),
        opening=_line(list(COLUMNS)),
        separator=b"",
        closing=b"",
        encode=encode_line,
    )


def encode_line(ticker: Fragment | Raw) -> bytes:
    """Return the line of a ticker; what is null or missing there is empty here."""
    if isinstance(ticker, str):
        return encode(f"{ticker}\n")
    return _line([_cell(get(ticker, path)) for path in COLUMNS.values()])


def _cell(value: Raw | Fragment | None) -> str:
    if value is None or value == "null" or isinstance(value, dict):
        return ""
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return str(value)
    return str(value)


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode("utf-8", "surrogatepass")
