"""Keys, and the ways in which vendors answer a wrong one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from hack.market.answers import Answer
from hack.market.http1 import Request
from hack.market.shapes import error_answer

KeyKind = Literal["paprika", "demo", "pro"]
"""CoinPaprika's paid key, CoinGecko's demo key, CoinGecko's pro key."""
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
QUERY_KEYS = ("x_cg_demo_api_key", "x_cg_pro_api_key")
"""How a key can be put into a URL, which nobody should: it ends in logs."""
_KIND_OF_HEADER: dict[str, KeyKind] = {"x-cg-demo-api-key": "demo", "x-cg-pro-api-key": "pro"}


def key_of(request: Request) -> str | None:
    """Return the key that a request carries, in a header or in its URL."""
    names = ("authorization",) if request.vendor == "paprika" else _KIND_OF_HEADER
    found = (request.headers[name] for name in names if name in request.headers)
    in_url = (request.query[name] for name in QUERY_KEYS if name in request.query)
    return next(found, None) or next(in_url, None)


def refuse(request: Request, keys: dict[str, KeyKind], *, now: datetime) -> Answer | None:
    """Return the vendor's answer to a missing, unknown or wrongly paired key; None lets it in.

    Without configured keys any key is good, but its header must still fit the host.
    """
    if request.vendor == "paprika":
        return _refuse_paprika(request, keys, now)
    if request.vendor == "gecko":
        return _refuse_gecko(request, keys, now)
    return None


def _refuse_paprika(request: Request, keys: dict[str, KeyKind], now: datetime) -> Answer | None:
    key = key_of(request)
    known = key is not None and (not keys or keys.get(key) == "paprika")
    if known or (key is None and not request.pro and request.path != "/v1/key/info"):
        return None
    return error_answer(403, shape="paprika", message="invalid api key", now=now)


def _refuse_gecko(request: Request, keys: dict[str, KeyKind], now: datetime) -> Answer | None:
    key, kind = key_of(request), _gecko_kind(request)
    if key is None:
        return _gecko(401, 10002, "API Key Missing", now) if request.pro else None
    kind = keys.get(key, kind)
    if kind == "pro" and not request.pro:
        message = (
            "If you are using Pro API key, please change your root URL from api.coingecko.com"
            " to pro-api.coingecko.com"
        )
        return _gecko(400, 10010, message, now)
    if kind == "demo" and request.pro:
        message = (
            "If you are using Demo API key, please change your root URL from"
            " pro-api.coingecko.com to api.coingecko.com"
        )
        return _gecko(400, 10011, message, now)
    if keys and key not in keys:
        return _gecko(401, 10002, "Invalid API Key", now)
    return None


def _gecko_kind(request: Request) -> KeyKind | None:
    sent = (kind for name, kind in _KIND_OF_HEADER.items() if name in request.headers)
    in_url = (
        kind for name, kind in _KIND_OF_HEADER.items() if name.replace("-", "_") in request.query
    )
    return next(sent, None) or next(in_url, None)


def _gecko(status: int, code: int, message: str, now: datetime) -> Answer:
    return error_answer(status, shape="gecko_status", message=message, code=code, now=now)
