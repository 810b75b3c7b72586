"""Names of coins for URLs: from the first external id, each given once. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

_NOT_IN_SLUGS = re.compile(r"[^\w.]+")
MAX_SLUG_LENGTH = 120


def slug_of(external_id: str) -> str:
    """Return a URL-safe name for a coin from its first external id; never empty.

    It never holds two hyphens in a row: those stand before the number of a slug that was taken.
    """
    folded = unicodedata.normalize("NFKC", external_id).casefold()
    return _NOT_IN_SLUGS.sub("-", folded).strip("-.")[:MAX_SLUG_LENGTH] or "coin"


def unique_slugs(
    wanted: Sequence[str], reserved: Iterable[Any], in_flight: Collection[str]
) -> list[str]:
    """Return a slug for each coin; one that is taken gets the asset's own id behind it."""
    given: set[str] = set()
    slugs = []
    for slug, (asset_id, taken) in zip(wanted, reserved, strict=True):
        taken_now = taken or slug in given or slug in in_flight
        slugs.append(f"{slug}--{asset_id}" if taken_now else slug)
        given.add(slug)
    return slugs
