"""CoinPaprika's ticker, as of OpenAPI 1.7.9 on the free plan: `circulating_supply` is absent."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal

from hack.market.clock import stamp
from hack.market.coins import Coin, Seen
from hack.market.jsontext import Fragment, Raw, text_of

ALIASES = {
    "price": "quotes.USD.price",
    "market_cap": "quotes.USD.market_cap",
    "volume_24h": "quotes.USD.volume_24h",
    "percent_change_24h": "quotes.USD.percent_change_24h",
}
"""Short names of fields for edits and poison."""
RATES: Mapping[str, Decimal] = {
    "USD": Decimal(1),
    "EUR": Decimal("0.92"),
    "BTC": Decimal("0.00001425"),
    "ETH": Decimal("0.00029125"),
}
"""What a dollar is worth here, at all times."""
_SPANS = ("15m", "30m", "1h", "6h", "12h", "24h", "7d", "30d", "1y")
_UNLIMITED_EVERY = 3
_NOISY_EVERY = 7
_NULL = Raw("null")


def ticker(coin: Coin, seen: Seen, *, currencies: Sequence[str]) -> Fragment:
    """Return one record of `/v1/tickers`."""
    return {
        "id": text_of(coin.paprika_id),
        "name": text_of(coin.name),
        "symbol": text_of(coin.symbol),
        "rank": Raw(coin.number + 1),
        "total_supply": Raw(coin.supply),
        "max_supply": Raw(0 if coin.number % _UNLIMITED_EVERY else coin.supply * 2),
        "beta_value": Raw(f"1.{coin.number % 100000:05d}"),
        "first_data_at": Raw('"2017-07-17T00:00:00Z"'),
        "last_updated": Raw(f'"{stamp(seen.updated)}"'),
        "quotes": {code: _quote(coin, seen, code) for code in currencies},
    }


def _quote(coin: Coin, seen: Seen, currency: str) -> Fragment:
    rate = RATES[currency]
    price = seen.price * rate
    in_dollars = currency == "USD"
    quote: Fragment = {
        "price": _plain(price),
        "volume_24h": _plain(seen.volume * rate),
        "volume_24h_change_24h": Raw(-seen.change_24h),
        "market_cap": Raw(int(seen.market_cap * rate)),
        "market_cap_change_24h": Raw(seen.change_24h),
    }
    for number, span in enumerate(_SPANS):
        percent = seen.change_24h if span == "24h" else seen.change_24h * (number + 1) / 8
        quote[f"percent_change_{span}"] = _percent(percent, noisy=coin.number % _NOISY_EVERY == 6)  # noqa: PLR2004
    quote["ath_price"] = _plain(seen.price * 2) if in_dollars else _NULL
    quote["ath_date"] = Raw('"2025-10-06T19:00:40Z"') if in_dollars else _NULL
    quote["percent_from_price_ath"] = Raw("-50") if in_dollars else _NULL
    return quote


def _plain(amount: Decimal) -> Raw:
    """Return all digits and no exponent, as an integer where it is one."""
    text = f"{amount:f}"
    return Raw(text.rstrip("0").rstrip(".") if "." in text else text)


def _percent(percent: Decimal, *, noisy: bool) -> Raw:
    """Return a percentage; noisy: -8.91 as -8.90999984741211, a float32 widened to a float64."""
    text = f"{percent:.2f}"
    if not noisy:
        return Raw(text)
    (widened,) = struct.unpack("f", struct.pack("f", float(text)))
    return Raw(f"{widened:.14f}")
