"""CoinPaprika's routes, free and paid: `/v1/tickers`, `/v1/contracts/…`, `/v1/key/info`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from hack.market.access import key_of
from hack.market.answers import Answer, array_answer, json_answer
from hack.market.book import Record
from hack.market.coins import PLATFORMS, Coin
from hack.market.http1 import Request
from hack.market.jsontext import Fragment, text_of
from hack.market.shapes import error_answer
from hack.market.vendors.paprika_ticker import RATES, ticker

if TYPE_CHECKING:
    from hack.market.state import Market

MAX_CURRENCIES = 3


def answer(market: Market, request: Request) -> Answer:  # noqa: PLR0911 - one per route
    """Answer one request to CoinPaprika."""
    match request.path.strip("/").split("/")[1:]:
        case ["tickers"]:
            return _tickers(market, request, market.ordered(market.paprika, request))
        case ["tickers", coin_id] if coin_id in market.paprika:
            found = _tickers(market, request, [coin_id])
            found.opening = found.closing = b""
            return found
        case ["contracts"]:
            return json_answer(text_of(list(PLATFORMS.values())))
        case ["contracts", platform] if platform in PLATFORMS.values():
            return array_answer(_contracts(market, platform))
        case ["contracts", platform, address]:
            return _contract(market, request, platform, address)
        case ["key", "info"]:
            return _key_info(market, request)
        case _:
            return _error(market, 404, "id not found")


def draw(market: Market, coin: Coin, *, currencies: tuple[str, ...] = ("USD",)) -> Fragment:
    """Return the ticker of a coin now."""
    return ticker(coin, market.universe.see(coin, market.clock.now()), currencies=currencies)


def _currencies(market: Market, request: Request) -> tuple[str, ...] | Answer:
    asked = tuple(request.query.get("quotes", "USD").upper().split(","))
    if len(asked) > MAX_CURRENCIES or not set(asked) <= set(RATES):
        return _error(market, 400, "invalid parameters")
    return asked


def _tickers(market: Market, request: Request, ids: list[str]) -> Answer:
    currencies = _currencies(market, request)
    if isinstance(currencies, Answer):
        return currencies
    drawn = partial(draw, market, currencies=currencies)
    return array_answer(market.paprika.records(ids, drawn, now=market.clock.now()))


def _contracts(market: Market, platform: str) -> Iterator[Record]:
    chain = next(ours for ours, theirs in PLATFORMS.items() if theirs == platform)
    for coin_id in market.paprika.ids():
        coin = market.paprika.coin(coin_id)
        if coin is not None and chain in coin.contracts:
            row = {"address": coin.contracts[chain], "id": coin_id, "type": "ERC20"}
            yield Record(coin_id, text_of(row))


def _contract(market: Market, request: Request, platform: str, address: str) -> Answer:
    if platform in PLATFORMS.values():
        for record in _contracts(market, platform):
            if f'"address":"{address.lower()}"' in str(record.fragment):
                prefix = "/pro" if request.pro else ""
                return Answer(status=301, headers={"Location": f"{prefix}/v1/tickers/{record.id}"})
    return _error(market, 404, "id not found")


def _key_info(market: Market, request: Request) -> Answer:
    used, limit = market.usage(request), market.gates["paprika"].limit.monthly
    key = key_of(request)
    usage: dict[str, object] = {"requests_made": used, "requests_left": -1}
    if limit is not None:
        usage["requests_left"] = max(0, limit - used)
    info = {
        "plan": "free" if key is None else "pro",
        "plan_status": "active",
        "usage": {
            "message": "unlimited plan" if limit is None else "limited plan",
            "current_month": usage,
        },
    }
    return json_answer(text_of(info))


def _error(market: Market, status: int, message: str) -> Answer:
    return error_answer(status, shape="paprika", message=message, now=market.clock.now())
