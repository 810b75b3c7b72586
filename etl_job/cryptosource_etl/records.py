"""The records of a run: pages of raw records, and the quote or rejection of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from cryptosource_store.reasons import RejectReason

Cursor = Mapping[str, Any]
"""The position at which a source resumes: JSON in the source's own form, which only the source
reads. Empty: from the start."""


# Named tuples, because a run creates one of each for every record, and they are the cheapest.
class RawRecord(NamedTuple):
    """One record as received from the upstream, before it is normalized."""

    external_id: str | None
    """The upstream's id, never shortened. None: it has none, and `normalize` must reject it."""
    digest: str
    """`digest_of` the bytes received: equal digests are equal payloads."""
    value: Any
    """The source's parsed form, read only by its `normalize`, `payload` and `shape`."""


class Quote(NamedTuple):
    """One accepted observation of one coin. Amounts are exact; None means unknown, never 0.

    The fields of `cryptosource_store.quote_fields`; the figures come last, in the order they have
    there.
    """

    external_id: str
    symbol: str | None
    """Upper-case, NFKC, never shortened."""
    name: str | None
    rank: int | None
    """1 is the best; None if the upstream does not rank it."""
    observed_at: datetime
    """Time of the observation as dated by the upstream, aware, UTC."""
    inferred_time: bool
    """The record has no time; `observed_at` is the time at which it was received or written."""
    price_usd: Decimal | None = None
    market_cap_usd: Decimal | None = None
    volume_24h_usd: Decimal | None = None
    percent_change_24h: Decimal | None = None


class Rejection(NamedTuple):
    """The reason why a record is not loaded. It goes to quarantine with the record's payload."""

    reason: RejectReason
    field: str | None
    """The upstream's name of the invalid field."""
    detail: str
    """One short sentence for a person, with the invalid value cut short."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records that are committed together, or not at all."""

    records: Sequence[RawRecord]
    cursor_after: Callable[[int], Cursor]
    """Returns the cursor after the first n records of this page, 0 <= n <= len(records)."""
    received_at: datetime
    """Time at which the bytes were received (or the file was last written), aware, UTC."""
    total: int | None = None
    """Number of records of the whole pass, if known; for progress bars."""
    starts_pass: bool = False
    """This page is the first of a new pass, so the count of committed records starts again."""
    complete: bool = True
    """False if the upstream answered 304 for a part, so that fields may seem to be missing."""


def digest_of(payload: bytes) -> str:
    """Return the digest of a payload: 32 hex digits (BLAKE2b, 128 bits)."""
    # 128 bits, because Postgres stores them as a uuid: 16 bytes, and compared fast.
    return hashlib.blake2b(payload, digest_size=16).hexdigest()
