"""Sort a page's records into unchanged, accepted and rejected, before anything is written.

The outcome does not depend on where pages begin: a record is compared with the last one of its
id, whether that one was stored by an earlier page or stands further up in this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptosource_etl.records import Quote, RawRecord, Rejection


class Known(NamedTuple):
    """What is stored for an external id."""

    asset_id: int | None
    digest: str | None
    """Of the newest observation; None when there is none yet."""
    observed_at: datetime | None


class Accepted(NamedTuple):
    """A record that is new or changed."""

    seq: int
    repeated: bool
    """An earlier record of this page has the same id and time."""
    record: RawRecord
    quote: Quote


class Rejected(NamedTuple):
    """A record for quarantine."""

    seq: int
    record: RawRecord
    rejection: Rejection


class DetectedChanges(NamedTuple):
    """A page, sorted."""

    accepted: list[Accepted]
    rejected: list[Rejected]
    unchanged: int
    maybe_stored: bool
    """Some accepted record is no newer than what is stored, so it may be stored already."""
    moved: Mapping[str, Known]
    """What will be known, once this page is in, of the ids whose newest observation it changes."""


UNKNOWN = Known(None, None, None)


def sift(
    records: Sequence[RawRecord],
    known: Mapping[str, Known],
    normalize: Callable[[RawRecord], Quote | Rejection],
) -> DetectedChanges:
    """Return which of the records must be written.

    Args:
        records: of one page, in the upstream's order.
        known: what is stored, by external id.
        normalize: judges a record that differs from the stored one.
    """
    moved: dict[str, Known] = {}
    seen: dict[tuple[str, datetime], str] = {}
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    unchanged = 0
    maybe_stored = False
    for seq, record in enumerate(records):
        name = record.external_id or ""
        stored = moved.get(name) or known.get(name, UNKNOWN)
        if stored.digest == record.digest:
            unchanged += 1
            continue
        judged = normalize(record)
        if isinstance(judged, Rejection):
            rejected.append(Rejected(seq, record, judged))
            continue
        key = (judged.external_id, judged.observed_at)
        earlier = seen.get(key)
        if earlier == record.digest:
            unchanged += 1
            continue
        seen[key] = record.digest
        accepted.append(Accepted(seq, earlier is not None, record, judged))
        if stored.observed_at is None or judged.observed_at >= stored.observed_at:
            maybe_stored |= judged.observed_at == stored.observed_at
            moved[judged.external_id] = Known(stored.asset_id, record.digest, judged.observed_at)
        else:
            maybe_stored = True
    return DetectedChanges(accepted, rejected, unchanged, maybe_stored, moved)
