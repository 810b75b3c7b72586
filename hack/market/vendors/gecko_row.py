"""CoinGecko's row of `/coins/markets`: integers, floats, exponents and nulls in the same fields."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from hack.market.clock import stamp
from hack.market.coins import Coin, Seen
from hack.market.jsontext import Fragment, Raw, text_of

ALIASES = {
    "price": "current_price",
    "volume_24h": "total_volume",
    "percent_change_24h": "price_change_percentage_24h",
}
"""Short names of fields for edits and poison."""
RATES: Mapping[str, Decimal] = {
    "usd": Decimal(1),
    "eur": Decimal("0.92"),
    "btc": Decimal("0.00001425"),
    "eth": Decimal("0.00029125"),
}
PREMIUM = Decimal("1.0007")
"""How far CoinGecko's price of a shared coin lies from CoinPaprika's."""
_NULL = Raw("null")
_DEFAULT_DIGITS = 6
_SMALL = Decimal("0.00001")


def row(coin: Coin, seen: Seen, *, rank: int, currency: str, precision: str | None) -> Fragment:
    """Return one record of `/coins/markets`.

    Args:
        coin: the coin.
        seen: it at this moment.
        rank: its place on CoinGecko's list.
        currency: `vs_currency`, in lower case.
        precision: `full`, a number of decimal places, or None for the rounding of the default.
    """
    premium = 1 if coin.price.adjusted() in (-18, 18) else PREMIUM
    rate = RATES[currency]
    price = _rounded(seen.price * premium * rate, precision)
    known = not coin.unranked
    change = seen.change_24h
    return {
        "id": text_of(coin.gecko_id),
        "symbol": text_of(coin.symbol.lower()),
        "name": text_of(coin.name),
        "image": Raw(f'"https://assets.coingecko.com/coins/images/{coin.number}/large/coin.png"'),
        "current_price": _number(price),
        "market_cap": Raw(int(seen.market_cap * rate)) if known else Raw("0.0"),
        "market_cap_rank": Raw(rank) if known else _NULL,
        "fully_diluted_valuation": Raw(int(seen.market_cap * rate * 2)) if known else _NULL,
        "total_volume": _number(_rounded(seen.volume * rate, precision)),
        "high_24h": _number(price * Decimal("1.02")),
        "low_24h": _number(price * Decimal("0.98")),
        "price_change_24h": _number(price * change.scaleb(-2)),
        "price_change_percentage_24h": Raw(f"{change:.5f}"),
        "market_cap_change_24h": Raw(int(seen.market_cap * rate * change.scaleb(-2))),
        "market_cap_change_percentage_24h": Raw(f"{change:.5f}"),
        "circulating_supply": Raw(f"{coin.supply}.0") if known else Raw("0.0"),
        "total_supply": Raw(coin.supply) if coin.number % 2 else _NULL,
        "max_supply": _NULL if coin.number % 3 else Raw(f"{coin.supply * 2}.0"),
        "ath": _number(price * 2),
        "ath_change_percentage": Raw("-50.0"),
        "ath_date": Raw('"2024-03-14T07:10:36.635Z"'),
        "atl": _number(price / 4),
        "atl_change_percentage": Raw("300.0"),
        "atl_date": Raw('"2013-07-06T00:00:00.000Z"'),
        "roi": _roi(coin),
        "last_updated": Raw(f'"{stamp(seen.updated, milliseconds=True)}"'),
    }


def _roi(coin: Coin) -> Raw | Fragment:
    if coin.number % 10 != 1:
        return _NULL
    return {"times": Raw("43.95"), "currency": Raw('"btc"'), "percentage": Raw("4395.25")}


def _rounded(amount: Decimal, precision: str | None) -> Decimal:
    """Round as asked; by default two places above 1 and six digits below, as seen there."""
    if precision == "full" or not amount:
        return amount
    if precision is not None:
        places = int(precision)
    else:
        places = 2 if amount >= 1 else _DEFAULT_DIGITS - 1 - amount.adjusted()
    if amount.adjusted() + places > 26:  # noqa: PLR2004 - the decimal context holds 28 digits
        return amount
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def _number(amount: Decimal) -> Raw:
    """Return a number the way a Ruby server does: 70187, 0.432979, 1.264e-05."""
    if not amount:
        return Raw("0")
    if abs(amount) < _SMALL:
        mantissa, _, exponent = f"{amount:e}".partition("e")
        return Raw(f"{mantissa}e-{abs(int(exponent)):02d}")
    text = f"{amount:f}"
    return Raw(text.rstrip("0").rstrip(".") if "." in text else text)
