"""Error bodies in every shape that the vendors, and what stands before them, have been seen to use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from hack.market.answers import Answer, json_answer
from hack.market.clock import stamp
from hack.market.jsontext import text_of

RATE_LIMITED = {
    "paprika": "you have reached maximum request limit",
    "gecko": (
        "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing"
        " to subscribe to our API plans for higher rate limits."
    ),
}


def _paprika(_status: int, message: str, _code: int, _now: datetime) -> object:
    return {"error": message}


def _gecko_status(_status: int, message: str, code: int, _now: datetime) -> object:
    return {"status": {"error_code": code, "error_message": message}}


def _gecko_error_status(_status: int, message: str, code: int, now: datetime) -> object:
    return {
        "error": {
            "status": {
                "timestamp": stamp(now, milliseconds=True),
                "error_code": code,
                "error_message": message,
            }
        }
    }


def _numeric(status: int, message: str, _code: int, _now: datetime) -> object:
    return {"status": status, "error": message}


def _binance(_status: int, message: str, code: int, _now: datetime) -> object:
    return {"code": code, "msg": message}


def _kraken(_status: int, message: str, _code: int, _now: datetime) -> object:
    return {"error": [message]}


_JSON: dict[str, Callable[[int, str, int, datetime], object]] = {
    "paprika": _paprika,
    "gecko_error": _paprika,
    "gecko_status": _gecko_status,
    "gecko_error_status": _gecko_error_status,
    "numeric": _numeric,
    "binance": _binance,
    "kraken": _kraken,
}
_HTML = (
    '<!DOCTYPE html>\n<html lang="en-US"><head><title>Just a moment...</title></head>'
    "<body><h1>{status}</h1><p>{message}</p></body></html>\n"
)
SHAPES = (*_JSON, "cloudflare_text", "html", "empty")
"""Names of the shapes, as rules write them."""


def error_answer(
    status: int, *, shape: str, message: str, now: datetime, code: int | None = None
) -> Answer:
    """Return an error body.

    Args:
        status: the HTTP status; 200 is possible, as Kraken does it.
        shape: one of `SHAPES`.
        message: the sentence in it.
        now: the market's time, which one shape carries.
        code: the vendor's own number; the HTTP status where it has none.
    """
    if shape == "empty":
        return Answer(status=status)
    if shape == "html":
        body = _HTML.format(status=status, message=message)
        return Answer(
            status=status, headers={"Content-Type": "text/html; charset=UTF-8"}, body=body.encode()
        )
    if shape == "cloudflare_text":
        text = f"error code: {1015 if code is None else code}"
        return Answer(status=status, headers={"Content-Type": "text/plain"}, body=text.encode())
    value = _JSON[shape](status, message, status if code is None else code, now)
    return json_answer(text_of(value), status=status)
