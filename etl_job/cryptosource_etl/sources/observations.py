"""From a vendor's JSON object to an observation: what all vendors' records have in common.

A vendor module says where its fields are; here is what they must be. Total: whatever the fields
hold, the result is a quote or a rejection that names the field at fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources.json_records import NotANumber
from cryptosource_etl.sources.numbers import BadNumber, excerpt, json_number, rank_of
from cryptosource_etl.sources.symbols import BadText, clean_id, clean_name, clean_symbol
from cryptosource_etl.sources.times import FUTURE_TOLERANCE, BadTime, check_time, time_parser
from cryptosource_store.reasons import RejectReason

_read_time = time_parser("iso8601")


@dataclass(frozen=True, kw_only=True)
class Fields:
    """One record's values, each beside the vendor's own name of its field, for rejections."""

    external_id: tuple[str, Any]
    symbol: tuple[str, Any]
    name: tuple[str, Any]
    rank: tuple[str, Any]
    observed_at: tuple[str, Any]
    price_usd: tuple[str, Any]
    market_cap_usd: tuple[str, Any]
    volume_24h_usd: tuple[str, Any]
    percent_change_24h: tuple[str, Any]


class _Refused(Exception):
    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection


def _text(field: tuple[str, Any], result: str | BadText | None) -> str | None:
    name, value = field
    if isinstance(value, NotANumber):
        raise _Refused(_no_number(name, value))
    if isinstance(result, BadText):
        raise _Refused(Rejection(result.reason, name, result.detail))
    return result


def _number(field: tuple[str, Any], *, signed: bool = False) -> Decimal | None:
    name, value = field
    if isinstance(value, NotANumber):
        raise _Refused(_no_number(name, value))
    number = json_number(value, signed=signed)
    if isinstance(number, BadNumber):
        raise _Refused(Rejection(number.reason, name, number.detail))
    return number


def _no_number(field: str, value: NotANumber) -> Rejection:
    digits = any(character.isdigit() for character in value)
    reason = RejectReason.OUT_OF_RANGE if digits else RejectReason.NOT_FINITE
    return Rejection(reason, field, f"{excerpt(str(value))} cannot be stored as a number")


def _known(amount: Decimal | None) -> Decimal | None:
    """Return None for the vendors' zero that stands for "unknown"."""
    return amount or None


def _rank(field: tuple[str, Any]) -> int | None:
    number = _known(_number(field))
    rank = rank_of(number)
    if isinstance(rank, BadNumber):
        raise _Refused(Rejection(rank.reason, field[0], rank.detail))
    return rank


def _observed_at(field: tuple[str, Any], received_at: datetime) -> tuple[datetime, bool]:
    name, value = field
    if value is None or value == "":
        return received_at, True
    if not isinstance(value, str):
        detail = f"a {type(value).__name__} where a time was expected"
        raise _Refused(Rejection(RejectReason.INVALID_TIME, name, detail))
    moment = _read_time(value)
    if moment is None:
        return received_at, True
    bad = (
        moment
        if isinstance(moment, BadTime)
        else check_time(moment, latest=received_at + FUTURE_TOLERANCE)
    )
    if bad is not None:
        raise _Refused(Rejection(bad.reason, name, bad.detail))
    assert isinstance(moment, datetime)  # noqa: S101 - a BadTime has been refused above
    return moment, False


def _quote(fields: Fields, received_at: datetime) -> Quote:
    external_id = _text(fields.external_id, clean_id(fields.external_id[1]))
    if external_id is None:
        detail = "the record has no id"
        raise _Refused(Rejection(RejectReason.MISSING_ID, fields.external_id[0], detail))
    observed_at, inferred = _observed_at(fields.observed_at, received_at)
    return Quote(
        external_id=external_id,
        symbol=_text(fields.symbol, clean_symbol(fields.symbol[1])),
        name=_text(fields.name, clean_name(fields.name[1])),
        rank=_rank(fields.rank),
        observed_at=observed_at,
        inferred_time=inferred,
        price_usd=_known(_number(fields.price_usd)),
        market_cap_usd=_known(_number(fields.market_cap_usd)),
        volume_24h_usd=_number(fields.volume_24h_usd),
        percent_change_24h=_number(fields.percent_change_24h, signed=True),
    )


def observe(fields: Fields, *, received_at: datetime) -> Quote | Rejection:
    """Return the observation that a record's fields hold, or why they hold none.

    Args:
        fields: the vendor's values by our names.
        received_at: stands in for a missing time, and bounds times in the future.
    """
    try:
        return _quote(fields, received_at)
    except _Refused as refused:
        return refused.rejection
