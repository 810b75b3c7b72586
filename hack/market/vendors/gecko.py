"""CoinGecko's routes, keyless, demo and pro: `/api/v3/{ping,key,coins/list,coins/markets}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hack.market.answers import Answer, array_answer, json_answer
from hack.market.book import Record
from hack.market.coins import Coin
from hack.market.http1 import Request
from hack.market.jsontext import Fragment, text_of
from hack.market.shapes import error_answer
from hack.market.vendors.gecko_row import RATES, row

if TYPE_CHECKING:
    from hack.market.state import Market

MAX_PER_PAGE, DEFAULT_PER_PAGE, MAX_PRECISION = 250, 100, 18
ORDERS = ("market_cap_desc", "id_asc")
"""The orders that are served, of the eight there are."""


def answer(market: Market, request: Request) -> Answer:
    """Answer one request to CoinGecko."""
    match request.path.removeprefix("/api/v3/").strip("/"):
        case "ping":
            return json_answer('{"gecko_says":"(V3) To the Moon!"}')
        case "coins/markets":
            return _complaint(market, request) or _markets(market, request)
        case "coins/list":
            return array_answer(_listing(market, request))
        case "key" if request.pro:
            return _key(market, request)
        case _:
            return _error(market, 404, "Incorrect path. Please check https://docs.coingecko.com/")


def _complaint(market: Market, request: Request) -> Answer | None:
    currency, precision = request.query.get("vs_currency"), request.query.get("precision")
    if not currency:
        return _error(market, 422, "Missing parameter vs_currency")
    if currency.lower() not in RATES:
        return _error(market, 400, "invalid vs_currency")
    if request.query.get("order", ORDERS[0]) not in ORDERS:
        return _error(market, 400, f"the market knows the orders {' and '.join(ORDERS)} only")
    digits = precision is not None and precision.isdigit() and int(precision) <= MAX_PRECISION
    if not (precision in (None, "full") or digits):
        return _error(market, 400, "invalid precision")
    return None


def _markets(market: Market, request: Request) -> Answer:
    ids = market.ordered(market.gecko, request)
    if request.query.get("order") == "id_asc":
        ids.sort()
    if wanted := request.query.get("ids"):
        asked = set(wanted.split(","))
        ids = [coin_id for coin_id in ids if coin_id in asked]
    size = min(MAX_PER_PAGE, max(1, request.whole("per_page", DEFAULT_PER_PAGE)))
    start = (max(1, request.whole("page", 1)) - 1) * size
    ranks = market.gecko_ranks

    def draw(coin: Coin) -> Fragment:
        return row(
            coin,
            market.universe.see(coin, market.clock.now()),
            rank=ranks[coin.gecko_id],
            currency=request.query["vs_currency"].lower(),
            precision=request.query.get("precision"),
        )

    page = market.gecko.records(ids[start : start + size], draw, now=market.clock.now())
    found = array_answer(page)
    found.headers.update({"total": str(len(ids)), "per-page": str(size)})
    return found


def _listing(market: Market, request: Request) -> Iterator[Record]:
    with_platforms = request.query.get("include_platform") == "true"
    for coin_id in sorted(market.gecko.ids()):
        coin = market.gecko.coin(coin_id)
        if coin is None:
            continue
        line: dict[str, object] = {
            "id": coin_id,
            "symbol": coin.symbol.lower(),
            "name": coin.name,
        }
        if with_platforms:
            line["platforms"] = dict(coin.contracts)
        yield Record(coin_id, text_of(line))


def _key(market: Market, request: Request) -> Answer:
    limit, used = market.gates["gecko"].limit, market.usage(request)
    credit = limit.monthly if limit.monthly is not None else 500_000
    rate = limit.requests_per_minute
    info = {
        "plan": "Analyst",
        "rate_limit_request_per_minute": 500 if rate is None else int(rate),
        "monthly_call_credit": credit,
        "current_total_monthly_calls": used,
        "current_remaining_monthly_calls": max(0, credit - used),
    }
    return json_answer(text_of(info))


def _error(market: Market, status: int, message: str) -> Answer:
    return error_answer(status, shape="gecko_error", message=message, now=market.clock.now())
