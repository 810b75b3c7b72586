"""Sort a page's records into unchanged, accepted and rejected, before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptosource_etl.records import Quote, RawRecord, Rejection


class StoredState(NamedTuple):
    """The asset and the newest observation of an external id, as far as they are stored."""

    asset_id: int | None
    digest: str | None
    """Digest of the newest observation; None when there is none yet."""
    observed_at: datetime | None


class Accepted(NamedTuple):
    """A record that is new or changed."""

    seq: int
    """Position in the page."""
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
    """A page's records by outcome."""

    accepted: list[Accepted]
    rejected: list[Rejected]
    unchanged: int
    maybe_stored: bool
    """Some accepted record is no newer than the newest stored one, so it may be stored already."""
    new_states: Mapping[str, StoredState]
    """The state after this page of the ids whose newest observation it changes."""


NOTHING_STORED = StoredState(None, None, None)


def detect_changes(
    records: Sequence[RawRecord],
    stored_states: Mapping[str, StoredState],
    normalize: Callable[[RawRecord], Quote | Rejection],
) -> DetectedChanges:
    """Return which of the records must be written.

    Args:
        records: of one page, in the upstream's order.
        stored_states: what is stored, by external id.
        normalize: judges a record that differs from the stored one.
    """
    # A record is compared with the last one of its id, whether an earlier page stored that or it is
    # further up in this page, so that the outcome does not depend on where pages begin.
    new_states: dict[str, StoredState] = {}
    digests: dict[tuple[str, datetime], str] = {}
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    unchanged = 0
    maybe_stored = False
    for seq, record in enumerate(records):
        external_id = record.external_id or ""
        stored = new_states.get(external_id) or stored_states.get(external_id, NOTHING_STORED)
        # By the payload's digest and before it is judged: most records of a pass are unchanged, and
        # judging is what costs.
        if stored.digest == record.digest:
            unchanged += 1
            continue
        verdict = normalize(record)
        if isinstance(verdict, Rejection):
            rejected.append(Rejected(seq, record, verdict))
            continue
        key = (verdict.external_id, verdict.observed_at)
        earlier = digests.get(key)
        if earlier == record.digest:
            unchanged += 1
            continue
        digests[key] = record.digest
        accepted.append(Accepted(seq, earlier is not None, record, verdict))
        # Older observations are accepted too, as history, but do not become the newest.
        if stored.observed_at is None or verdict.observed_at >= stored.observed_at:
            maybe_stored |= verdict.observed_at == stored.observed_at
            new_states[verdict.external_id] = StoredState(
                stored.asset_id, record.digest, verdict.observed_at
            )
        else:
            maybe_stored = True
    return DetectedChanges(accepted, rejected, unchanged, maybe_stored, new_states)
