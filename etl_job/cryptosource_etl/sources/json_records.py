"""Untrusted JSON: split into records with exact numbers, so that one bad record is rejected alone.

`json.loads` alone would turn 1e400 into inf, accept NaN, and fail on integers of 5 000 digits and
on deep nesting, each of which would fail the whole page.
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

# Market data stays below 40.
MAX_DIGITS = 400
"""Longest number token that is parsed, in characters."""


class NotANumber(str):
    """A number token that cannot be stored: NaN, an infinity, or an overlong number."""

    __slots__ = ()


def _exact(token: str) -> Decimal | NotANumber:
    try:
        return Decimal(token) if len(token) <= MAX_DIGITS else NotANumber(token[:MAX_DIGITS])
    except InvalidOperation:  # such as an exponent of twenty digits
        return NotANumber(token)


def _whole(token: str) -> int | NotANumber:
    return int(token) if len(token) <= MAX_DIGITS else NotANumber(token[:MAX_DIGITS])


_decoder = json.JSONDecoder(parse_float=_exact, parse_int=_whole, parse_constant=NotANumber)
_split = msgspec.json.Decoder(list[msgspec.Raw])


def exact_json(text: str) -> Any:
    """Return parsed JSON, with `Decimal` for fractions and `NotANumber` for unusable numbers.

    Raises:
        ValueError: the text is no JSON, or nested too deep.
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
    """Parsed with exact numbers; None if the element cannot be parsed."""


def _parse_element(raw: bytes) -> Element:
    # Surrogate escapes keep invalid bytes, so that the digest of the text is that of the bytes.
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
    rejected alone and does not change the digests of the others.
    """
    # By strings, brackets and commas only, and with a counter: no recursion on nested brackets.
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
    return [_parse_element(raw) for raw in ([*elements, last] if elements or last else [])]


def split_array(body: bytes, *, what: str) -> list[Element]:
    """Return the elements of a JSON array, each with its own bytes and its exact value.

    Args:
        body: the whole response.
        what: names the response in errors, such as "the answer to /tickers".

    Raises:
        Retryable: MalformedResponse; the body is no JSON array, or it was cut off.
    """
    # msgspec splits fast but refuses an array for one element that is not strict JSON.
    try:
        return [_parse_element(bytes(raw)) for raw in _split.decode(body)]
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
