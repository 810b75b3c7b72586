"""Content negotiation between HTML and JSON (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Iterator


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    # Bounded: a client may send any number of ranges.
    for part in accept.split(",")[:50]:
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        yield media, quality


def _quality(media: str, ranges: dict[str, float]) -> float:
    kind = media.partition("/")[0]
    for known in (media, f"{kind}/*", "*/*"):
        if known in ranges:
            return ranges[known]
    return 0.0


def prefers_html(accept: str | None) -> bool:
    """Return whether a client prefers HTML to JSON; without a preference, as curl, it does not.

    Args:
        accept: the request's Accept header.
    """
    ranges = dict(_ranges(accept or "*/*"))
    return _quality("text/html", ranges) > _quality("application/json", ranges)
