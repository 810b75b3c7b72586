"""What flows through a run: a page of raw records, and what each of them normalizes to.

Named tuples, because a run makes one of each per record and nothing else is as cheap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from cryptosource_store.reasons import RejectReason

Cursor = Mapping[str, Any]
"""Where to go on: JSON of the source's own making, opaque to everyone else. Empty: from the start."""


class RawRecord(NamedTuple):
    """One record as the upstream gave it, before anyone judged it."""

    external_id: str | None
    """The upstream's own id, kept whole. None: it has none, and `normalize` must reject it."""
    digest: str
    """`digest_of` the bytes received: equal digests are equal payloads."""
    value: Any
    """The source's own parsed form, read only by its `normalize`, `payload` and `shape`."""


class Quote(NamedTuple):
    """One accepted observation of one coin. Amounts are exact; None means unknown, never 0.

    The fields of `cryptosource_store.quote_fields`; the figures come last, in the order they have
    there.
    """

    external_id: str
    symbol: str | None
    """Upper-case, NFKC, kept whole."""
    name: str | None
    rank: int | None
    """1 is the best; None when the upstream does not rank it."""
    observed_at: datetime
    """When the upstream says it was so, aware, UTC."""
    inferred_time: bool
    """The record had no time of its own; `observed_at` is when it was received or written."""
    price_usd: Decimal | None = None
    market_cap_usd: Decimal | None = None
    volume_24h_usd: Decimal | None = None
    percent_change_24h: Decimal | None = None


class Rejection(NamedTuple):
    """Why a record is not loaded. It goes to quarantine with its payload."""

    reason: RejectReason
    field: str | None
    """The upstream's name of the field at fault."""
    detail: str
    """One short sentence for a person, with the offending value cut short."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records that are committed together, or not at all."""

    records: Sequence[RawRecord]
    cursor_after: Callable[[int], Cursor]
    """The cursor once the first n records of this page are in, 0 <= n <= len(records)."""
    received_at: datetime
    """When the bytes came in (or the file was last written), aware, UTC."""
    total: int | None = None
    """How many records the whole pass will have, where that is known: for progress bars."""
    starts_pass: bool = False
    """This page is the first of a new pass, so the count of committed records starts again."""
    complete: bool = True
    """False when the upstream answered 304 for a part: fields may seem to be missing."""


def digest_of(payload: bytes) -> str:
    """Return 32 hex digits that stand for a payload (BLAKE2b, 128 bits; Postgres stores a uuid)."""
    return hashlib.blake2b(payload, digest_size=16).hexdigest()
