"""Content negotiation by the Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MAX_RANGES = 50
"""Most ranges of a header that are read; the others are ignored."""

_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


def media_ranges(accept: str | None) -> Mapping[str, float]:
    """Return the weight of each media range that a header names, in lower case.

    A range whose weight cannot be read is ignored. A header that is missing or has no other range
    accepts anything; an empty name is a range that nothing matches.

    Args:
        accept: the request's Accept header.
    """
    if accept is None or not accept.strip():
        return {"*/*": 1.0}
    ranges: dict[str, float] = {}
    for part in accept.split(",")[:MAX_RANGES]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [each for each in parameters if each.partition("=")[0].strip() == "q"]
        match = _WEIGHT.fullmatch(weights[0]) if weights else None
        if not weights or match is not None:
            ranges[name] = float(match[1]) if match else 1.0
    return ranges or {"*/*": 1.0}


def weight_of(media_types: Sequence[str], ranges: Mapping[str, float]) -> float:
    """Return how much a representation is wanted, 0 to 1: the most specific range decides.

    Args:
        media_types: the names it goes by; wildcards are matched by the first one's kind.
        ranges: from `media_ranges`.
    """
    exact = [ranges[name] for name in media_types if name in ranges]
    if exact:
        return max(exact)
    kind = media_types[0].partition("/")[0]
    return ranges.get(f"{kind}/*", ranges.get("*/*", 0.0))


def prefers_html(accept: str | None) -> bool:
    """Return whether HTML is wanted more than JSON; a client without a preference gets JSON.

    Args:
        accept: the request's Accept header.
    """
    ranges = media_ranges(accept)
    return weight_of(("text/html",), ranges) > weight_of(("application/json",), ranges)
