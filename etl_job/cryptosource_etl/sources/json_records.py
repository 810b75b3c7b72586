"""JSON from strangers: split into records without losing a digit or trusting a byte.

`json.loads` alone would turn 1e400 into inf, accept NaN, die on 5 000-digit integers and on deep
nesting. Here numbers stay exact, and what cannot be a number is marked, so
that one poisoned record is rejected and its page goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from cryptosource_etl.errors import Retryable
from cryptosource_store.reasons import Reason

MAX_DIGITS = 400
"""Characters of a number that are still read; market data stays below 40."""


class NotANumber(str):
    """A number token that is none we would store: NaN, an infinity, or absurdly long."""

    __slots__ = ()


def _exact(token: str) -> Decimal | NotANumber:
    try:
        return Decimal(token) if len(token) <= MAX_DIGITS else NotANumber(token[:MAX_DIGITS])
    except InvalidOperation:  # an exponent of twenty digits
        return NotANumber(token)


def _whole(token: str) -> int | NotANumber:
    return int(token) if len(token) <= MAX_DIGITS else NotANumber(token[:MAX_DIGITS])


_decoder = json.JSONDecoder(parse_float=_exact, parse_int=_whole, parse_constant=NotANumber)
_split = msgspec.json.Decoder(list[msgspec.Raw])


def exact_json(text: str) -> Any:
    """Return parsed JSON with `Decimal` for fractions and `NotANumber` for what is none.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        return _decoder.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


class Element(NamedTuple):
    """One element of an array."""

    text: str
    """The bytes received, decoded."""
    value: Any
    """Parsed exactly; None where the element alone cannot be parsed."""


def _element(raw: bytes) -> Element:
    text = raw.decode("utf-8", errors="surrogateescape")
    try:
        return Element(text, exact_json(text))
    except ValueError:
        return Element(text, None)


_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},]', re.DOTALL)
_SPACE = b" \t\r\n"


def _split_tolerantly(body: bytes, what: str) -> list[Element]:
    """Split an array that is not strict JSON, as long as its structure can be followed.

    Every element keeps its own bytes, so that one with a NaN, a NUL or a million brackets is
    refused alone and does not make the others look changed.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip(_SPACE)
    if not body.startswith((b"[", b"{")):
        raise Retryable(Reason.MALFORMED_RESPONSE, f"{what} is not JSON")
    if not body.startswith(b"["):
        raise Retryable(
            Reason.MALFORMED_RESPONSE, f"{what} is not the list of coins that was expected"
        )
    depth, start = 0, 1
    elements: list[bytes] = []
    for token in _TOKENS.finditer(body):
        match token.group():
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
            case b"," if depth == 1:
                elements.append(body[start : token.start()].strip(_SPACE))
                start = token.end()
        if depth == 0:
            break
    if depth or token.end() != len(body):
        raise Retryable(
            Reason.MALFORMED_RESPONSE, f"{what} is not JSON: it was cut off or mixed up"
        )
    last = body[start:-1].strip(_SPACE)
    return [_element(raw) for raw in ([*elements, last] if elements or last else [])]


def split_array(body: bytes, *, what: str) -> list[Element]:
    """Return the elements of a JSON array, each with its own bytes and its exact value.

    Args:
        body: the whole response.
        what: names the response in errors, such as "the answer to /tickers".

    Raises:
        Retryable: MalformedResponse; it is no JSON array, or it was cut off.
    """
    try:
        return [_element(bytes(raw)) for raw in _split.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _split_tolerantly(body, what)


_TYPES: dict[type, str] = {
    Decimal: "number",
    int: "number",
    str: "string",
    NotANumber: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


def shape_of(value: Any, *, nested: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Return field -> JSON type of an object, descending into the fields named in `nested`."""
    if not isinstance(value, dict):
        return {}
    shape = {field: _TYPES[type(content)] for field, content in value.items()}
    for field in nested:
        inner = value.get(field)
        if isinstance(inner, dict):
            shape.update({f"{field}.{name}": kind for name, kind in shape_of(inner).items()})
    return shape
