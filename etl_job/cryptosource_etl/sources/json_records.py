"""JSON from strangers: split into records without losing a digit or trusting a byte.

`json.loads` alone would turn 1e400 into inf, accept NaN, die on 5 000-digit integers and on deep
nesting (reliability rule 7). Here numbers stay exact, and what cannot be a number is marked, so
that one poisoned record is rejected and its page goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from cryptosource_etl.errors import Retryable
from cryptosource_store.reasons import Reason

DIGITS_LIMIT = 400
"""Characters of a number that are still read; market data stays below 40."""


class NotANumber(str):
    """A number token that is none we would store: NaN, an infinity, or absurdly long."""

    __slots__ = ()


def _exact(token: str) -> Decimal | NotANumber:
    return Decimal(token) if len(token) <= DIGITS_LIMIT else NotANumber(token[:DIGITS_LIMIT])


def _whole(token: str) -> int | NotANumber:
    return int(token) if len(token) <= DIGITS_LIMIT else NotANumber(token[:DIGITS_LIMIT])


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


def _split_tolerantly(body: bytes, what: str) -> list[Element]:
    """Read an array that is not strict JSON, as long as its structure can be followed."""
    text = body.decode("utf-8", errors="replace")
    try:
        elements = exact_json(text)
    except ValueError as error:
        raise Retryable(
            Reason.MALFORMED_RESPONSE, f"{what} is not JSON: {str(error)[:80]}"
        ) from error
    if not isinstance(elements, list):
        raise Retryable(
            Reason.MALFORMED_RESPONSE, f"{what} is not the list of coins that was expected"
        )
    return [Element(_dump(element), element) for element in elements]


def _dump(element: Any) -> str:
    return json.dumps(element, default=str, ensure_ascii=False)


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
