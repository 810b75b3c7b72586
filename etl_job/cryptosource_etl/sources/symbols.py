"""Symbols, ids and names from upstreams, cleaned or rejected with a reason. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, NamedTuple

from cryptosource_etl.sources.numbers import excerpt
from cryptosource_store.reasons import RejectReason

# The longest known id has 72 characters, the longest symbol 38.
MAX_LENGTH = 256
"""Longest symbol, id or name, in characters."""

# Cc holds NUL, which no Postgres text can hold; Cs are lone surrogates, which are not UTF-8. The
# rest are marks that change how the text around them is displayed (Trojan Source, CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = "\u200b\u2060\ufeff"

# The fast path for most symbols, ids and names: nothing to trim, to fold or to reject.
_PLAIN = re.compile(f"[!-~](?:[ -~]{{0,{MAX_LENGTH - 2}}}[!-~])?").fullmatch


class BadText(NamedTuple):
    """The reason why a value is not a symbol, an id or a name."""

    reason: RejectReason
    detail: str
    """One short sentence, with the value cut short."""


def _trim(text: str) -> str:
    """Strip white space of every kind and invisible marks from both ends."""
    # Repeated, because a byte order mark may stand between blanks.
    before = None
    while before != text:
        before = text
        text = text.strip().strip(_INVISIBLE)
    return text


def _clean(value: Any, *, what: str, reason: RejectReason) -> str | BadText | None:
    if value is None:
        return None
    if type(value) is str and _PLAIN(value):
        return value
    if not isinstance(value, str):
        return BadText(reason, f"a {type(value).__name__} where {what} was expected")
    if len(value) > MAX_LENGTH:
        return BadText(reason, f"{what} of {len(value)} characters: at most {MAX_LENGTH}")
    text = _trim(value)
    if _UNSAFE.search(text):
        return BadText(reason, f"{excerpt(text)} holds a control character")
    return text or None


def _fold(text: str) -> str:
    # Twice NFKC: upper-casing a normalized text may give one that is not normalized.
    return _trim(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper()))


def clean_symbol(value: Any) -> str | BadText | None:
    """Return a symbol in upper case and NFKC, never shortened; None if there is none."""
    text = _clean(value, what="a symbol", reason=RejectReason.INVALID_ID)
    if not isinstance(text, str):
        return text
    symbol = text.upper() if text.isascii() else _fold(text)
    if len(symbol) > MAX_LENGTH:
        return BadText(RejectReason.INVALID_ID, f"{excerpt(symbol)} is too long for a symbol")
    return symbol or None


def clean_id(value: Any) -> str | BadText | None:
    """Return an upstream's id, trimmed and otherwise unchanged; None if there is none."""
    return _clean(value, what="an id", reason=RejectReason.INVALID_ID)


def clean_name(value: Any) -> str | BadText | None:
    """Return a coin's name, trimmed and otherwise unchanged; None if there is none."""
    return _clean(value, what="a name", reason=RejectReason.INVALID_NAME)
