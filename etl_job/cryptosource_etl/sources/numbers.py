"""Numbers in upstreams' notations, parsed exactly or rejected with a reason. Pure; never a float.

Amounts are US dollars: a dollar sign is ignored, and the sign of another currency is rejected
instead of being stored as dollars.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from cryptosource_store.reasons import RejectReason

# 1e18 with 18 decimals has 37 digits.
MAX_DIGITS = 100
"""Most digits of a number that is stored."""
# Far beyond any market, and far below what Postgres' numeric can hold.
MAX_EXPONENT = 400
"""Largest power of ten of the first digit, positive or negative."""
MAX_LENGTH = 256
"""Longest text that is parsed as a number, in characters."""
MAX_RANK = 2_147_483_647
"""Largest rank: it is stored as a 32-bit integer."""
MAX_EXCERPT_LENGTH = 40
"""Characters of an invalid value that a message shows."""

UNKNOWN = frozenset(
    {"", "-", "--", "–", "—", "?", "n/a", "na", "#n/a", "null", "none", "nil", "unknown"}
)
"""Texts that mean "unknown", in lower case."""

_NOT_FINITE = re.compile(r"[+\-−]?(?:s?nan[0-9]*|inf(?:inity)?|∞)", re.IGNORECASE).fullmatch
_SCALES = {"": 0, "k": 3, "m": 6, "b": 9, "t": 12}
# Separators of thousands: blank, no-break space, thin space, narrow no-break space.
_SPACES = " \u00a0\u2009\u202f"
_SIGNS = "+-−"
_PLAIN = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?").fullmatch
_PLAIN_SIGNED = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?").fullmatch
_DOLLARS = re.compile(r"(?:US\$|\$|USD(?![A-Z]))", re.IGNORECASE)
_EXPONENT = r"(?:[eE](?P<exponent>[+\-−]?[0-9]+))?"
_JSON = re.compile(
    rf"\s*(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?{_EXPONENT}\s*"
).fullmatch


class BadNumber(NamedTuple):
    """The reason why a value is not a number that can be stored."""

    reason: RejectReason
    detail: str
    """One short sentence, with the value cut short."""


Number = Decimal | None | BadNumber
"""An exact number; None for unknown; or a rejection."""


def excerpt(value: object) -> str:
    """Return a value for a message: quoted, in printable ASCII, cut at `MAX_EXCERPT_LENGTH`."""
    text = value if isinstance(value, str) else str(value)
    return ascii(text if len(text) <= MAX_EXCERPT_LENGTH else text[:MAX_EXCERPT_LENGTH] + "...")


def _grammar(decimal: str) -> Callable[[str], re.Match[str] | None]:
    """Return a matcher of digits, optionally grouped in threes, with an exponent or a scale letter."""
    group = "," if decimal == "." else "."
    return re.compile(
        rf"(?P<whole>[0-9]{{1,3}}(?:(?P<group>[{re.escape(group)}'’{_SPACES}])[0-9]{{3}}"
        rf"(?:(?P=group)[0-9]{{3}})*)|[0-9]*)"
        rf"(?:{re.escape(decimal)}(?P<fraction>[0-9]*))?"
        rf"{_EXPONENT}[{_SPACES}]?(?P<scale>[kKmMbBtT]?)"
    ).fullmatch


_GRAMMARS = {".": _grammar("."), ",": _grammar(",")}
_GROUPING = re.compile(rf"[.,'’{_SPACES}]")


def _refusal(text: str) -> BadNumber:
    if _NOT_FINITE(text):
        return BadNumber(RejectReason.NOT_FINITE, f"{excerpt(text)} is not a finite number")
    return BadNumber(RejectReason.INVALID_NUMBER, f"{excerpt(text)} is not a number")


def _out_of_range(text: str) -> BadNumber:
    return BadNumber(
        RejectReason.OUT_OF_RANGE,
        f"{excerpt(text)} has more than {MAX_DIGITS} digits or is beyond 1e±{MAX_EXPONENT}",
    )


def _negative(text: str) -> BadNumber:
    return BadNumber(RejectReason.NEGATIVE, f"{excerpt(text)} is negative")


def _assemble(text: str, match: re.Match[str], *, negative: bool, signed: bool) -> Number:
    """Return the number of a match, without rounding."""
    whole = _GROUPING.sub("", match["whole"])
    fraction = match["fraction"] or ""
    digits = (whole + fraction).lstrip("0")
    if not whole and not fraction:
        return _refusal(text)
    exponent = (match["exponent"] or "0").replace("−", "-")
    # Before `int` and `Decimal`, which raise for texts of thousands of digits.
    if len(digits) > MAX_DIGITS or len(fraction) > MAX_EXPONENT or len(exponent) > 1 + len("0400"):
        return _out_of_range(text)
    power = int(exponent) + _SCALES[match.groupdict().get("scale", "").lower()]
    value = Decimal(f"{'-' if negative else ''}{whole}{'.' if fraction else ''}{fraction}E{power}")
    return _check_bounds(text, value, signed=signed)


def _check_bounds(text: object, value: Decimal, *, signed: bool) -> Number:
    if not value.is_finite():
        return BadNumber(RejectReason.NOT_FINITE, f"{excerpt(text)} is not a finite number")
    if abs(value.adjusted()) > MAX_EXPONENT or len(value.as_tuple().digits) > MAX_DIGITS:
        return _out_of_range(excerpt(text))
    if value.is_signed():
        if not value:  # -0 is no negative amount
            return value.copy_abs()
        if not signed:
            return _negative(str(text))
    return value


def _drop_percent(text: str) -> str:
    return text[:-1].rstrip() if text.endswith("%") else text


def _unwrap(text: str, *, percent: bool) -> tuple[str, bool] | None:
    """Remove sign, parentheses, dollar and percent sign; return the rest and if it is negative.

    None for two signs, or one at the wrong place.
    """
    body, negative = _drop_percent(text) if percent else text, False
    if body.startswith("(") and body.endswith(")"):
        body, negative = body[1:-1].strip(), True
        if percent and not text.endswith("%"):
            body = _drop_percent(body)
    before = body
    body = _DOLLARS.sub("", body, count=1).strip()
    if body != before and body and body[0] in _SIGNS and before[0] not in _SIGNS + "$Uu":
        return None
    if body and body[0] in _SIGNS:
        if negative:
            return None
        body, negative = body[1:].lstrip(), body[0] != "+"
    return body, negative


def _parse_any_notation(text: str, *, decimal: str, percent: bool) -> Number:
    text = text.strip()
    if text.lower() in UNKNOWN:
        return None
    if len(text) > MAX_LENGTH:
        long_number = text.lstrip(_SIGNS + "$")[:1].isdigit()
        return _out_of_range(text) if long_number else _refusal(text)
    unwrapped = _unwrap(text, percent=percent)
    match = _GRAMMARS[decimal](unwrapped[0]) if unwrapped else None
    if unwrapped is None or match is None:
        return _refusal(text)
    return _assemble(text, match, negative=unwrapped[1], signed=percent)


def number_parser(
    *, decimal: Literal[".", ","] = ".", percent: bool = False
) -> Callable[[str], Number]:
    """Return a function that parses the text of a cell.

    It accepts `7,199.4`, `7 199.4`, `1.31M`, `904.50K`, `1E+11`, `$5`, `(5)`, and for a percentage
    `3.97%`. Thousands separators must stand between groups of three.

    Args:
        decimal: the decimal separator; the other one separates thousands.
        percent: parse a percentage, which may be negative and may end in `%`, instead of an amount,
            which is rejected as `Negative` below 0.
    """

    def parse(text: str) -> Number:
        return _parse_any_notation(text, decimal=decimal, percent=percent)

    # Fast paths: nearly every cell is plain digits, which `Decimal` parses in C.
    def parse_amount(text: str) -> Number:
        return Decimal(text) if _PLAIN(text) else parse(text)

    def parse_percentage(text: str) -> Number:
        value = Decimal(text) if _PLAIN_SIGNED(text) else None
        return value or parse(text)  # zero too: -0 loses its sign there

    if decimal == ",":
        return parse
    return parse_percentage if percent else parse_amount


def _from_text(text: str, *, signed: bool) -> Number:
    if text.strip().lower() in UNKNOWN:
        return None
    if len(text) > MAX_LENGTH:
        return _out_of_range(text) if text.strip("+- ")[:1].isdigit() else _refusal(text)
    match = _JSON(text)
    if match is None:
        return _refusal(text.strip())
    return _assemble(text, match, negative=match["sign"] == "-", signed=signed)


def json_number(value: Any, *, signed: bool = False) -> Number:
    """Return the number of a parsed JSON value.

    Args:
        value: a `Decimal`, an int, a JSON number inside a string, or null. An empty string and
            the usual words for "unknown" give None. Booleans, arrays and objects are rejected.
        signed: whether it may be negative; only changes may.
    """
    if value is None:
        return None
    if type(value) is Decimal:
        return _check_bounds(value, value, signed=signed)
    if isinstance(value, str):
        return _from_text(value, signed=signed)
    if type(value) is int:
        # By its bits: turning an int of thousands of digits into text takes long, or raises.
        too_long = value.bit_length() > MAX_DIGITS * 4
        return (
            _out_of_range("an integer")
            if too_long
            else _check_bounds(value, Decimal(value), signed=signed)
        )
    kind = type(value).__name__
    return BadNumber(RejectReason.INVALID_NUMBER, f"a {kind} where a number was expected")


def rank_of(number: Number) -> int | BadNumber | None:
    """Return a number as a rank: a whole number from 1, the best, to `MAX_RANK`."""
    if number is None or isinstance(number, BadNumber):
        return number
    if not 1 <= number <= MAX_RANK or number != int(number):
        return BadNumber(
            RejectReason.OUT_OF_RANGE, f"{excerpt(number)} is not a rank: 1, 2, 3 and so on"
        )
    return int(number)
