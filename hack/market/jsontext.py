"""JSON as text: numbers keep every digit, and what is not valid JSON can be served all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

RAW_KEY = "$raw"
"""How `Raw` crosses the control API: `{"$raw": "NaN"}`."""


class Raw(str):
    """JSON text that is served exactly as it is, valid or not."""

    __slots__ = ()


Fragment: TypeAlias = "dict[str, Raw | Fragment]"
"""A JSON object whose leaves are text."""


def text_of(value: Any) -> Raw:
    """Return the JSON text of `value`.

    Raises:
        TypeError: for a float, whose digits nobody can vouch for, and for anything not JSON.
    """
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return Raw(_string(value))
    if value is None or isinstance(value, (bool, int)):
        return Raw(json.dumps(value))
    if isinstance(value, Decimal):
        return Raw(str(value))
    if isinstance(value, Mapping):
        return Raw("{" + ",".join(f"{_string(k)}:{text_of(v)}" for k, v in value.items()) + "}")
    if isinstance(value, Sequence):
        return Raw("[" + ",".join(text_of(item) for item in value) + "]")
    raise TypeError(f"{type(value).__name__} has no exact JSON text: pass a Decimal, a str or Raw")


def fragment_of(value: Any) -> Raw | Fragment:
    """Return nested objects as fragments and everything else as text."""
    if isinstance(value, Mapping):
        return {str(key): fragment_of(item) for key, item in value.items()}
    return text_of(value)


def render(fragment: Raw | Fragment) -> str:
    """Return a fragment as compact JSON text."""
    if isinstance(fragment, str):
        return fragment
    return "{" + ",".join(f'"{key}":{render(item)}' for key, item in fragment.items()) + "}"


def encode(text: str) -> bytes:
    """Return UTF-8, where U+DC80..U+DCFF stand for the bytes 0x80..0xFF that no UTF-8 holds."""
    return text.encode("utf-8", "surrogateescape")


def put(fragment: Fragment, path: str, value: Raw | Fragment | None) -> None:
    """Set the field at a dotted path, making objects on the way; None takes the field away."""
    *parents, leaf = path.split(".")
    for parent in parents:
        child = fragment.get(parent)
        if not isinstance(child, dict):
            child = fragment[parent] = {}
        fragment = child
    if value is None:
        fragment.pop(leaf, None)
    else:
        fragment[leaf] = value


def get(fragment: Raw | Fragment, path: str) -> Raw | Fragment | None:
    """Return what is at a dotted path; None where there is nothing."""
    found: Raw | Fragment | None = fragment
    for part in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def parse_exact(text: str | bytes) -> Any:
    """Return parsed JSON whose fractions and exponents are still their own text."""
    return json.loads(text, parse_float=Raw, parse_int=Raw)


def dump_command(value: Any) -> bytes:
    """Return the JSON that a control command crosses the wire as; a float as it was written."""
    return text_of(_wrapped(value)).encode()


def load_command(data: bytes) -> Any:
    """Return a control command: fractions as Decimal, `{"$raw": …}` as `Raw`."""
    return json.loads(data, parse_float=Decimal, object_hook=_unwrapped)


def _string(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def _wrapped(value: Any) -> Any:
    if isinstance(value, Raw):
        return {RAW_KEY: str(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return Raw(repr(value))
    if isinstance(value, Mapping):
        return {key: _wrapped(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_wrapped(item) for item in value]
    return value


def _unwrapped(value: dict[str, Any]) -> Any:
    return Raw(value[RAW_KEY]) if set(value) == {RAW_KEY} else value
