"""What the present rules make of a record that was stored under earlier ones. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cryptosource_etl.pipeline.copy_text import NULL, copy_field, copy_text
from cryptosource_etl.pipeline.prepare.stage_rows import quote_cells
from cryptosource_etl.pipeline.replay.stored_pages import StoredRow
from cryptosource_etl.records import Quote, RawRecord, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.quote_fields import QUOTE_COLUMNS


class Judged(NamedTuple):
    """A stored record and what it is by the present rules."""

    row: StoredRow
    verdict: Quote | Rejection | None
    """None: what is stored does not tell enough to judge it again, so it stays as it is."""

    @property
    def was_accepted(self) -> bool:
        """Whether the record had a quote until now, or had lost it to a later one."""
        return self.row.observed_at is not None


def _unwrapped(row: StoredRow) -> str | None:
    """Return the text received, where it was kept as one JSON string for being unstorable."""
    if not (row.scrubbed and row.payload.startswith('"')):
        return None
    text = json.loads(row.payload)
    return text if isinstance(text, str) else None


def _restored(reader: SourceReader, payload: str | None) -> RawRecord | None:
    if payload is None:
        return None
    try:
        return reader.restore(payload)
    except (ValueError, TypeError, LookupError):
        return None


def judge_again(reader: SourceReader, row: StoredRow) -> Judged:
    """Judge a stored record by the reader's present rules.

    A time that was inferred when the record came in is not inferred anew. A record whose text had
    to be changed to be stored does not leave quarantine: what would come out is not what came in.
    """
    original = _restored(reader, _unwrapped(row))
    record = original or _restored(reader, row.payload)
    if record is None:
        return Judged(row, None)
    record = record._replace(digest=row.digest)
    verdict = reader.normalize(record, received_at=row.ingested_at)
    if isinstance(verdict, Rejection):
        return Judged(row, verdict)
    if row.observed_at is None and row.scrubbed and original is None:
        return Judged(row, None)
    if verdict.inferred_time and row.observed_at is not None:
        verdict = verdict._replace(observed_at=row.observed_at)
    return Judged(row, verdict)


_NO_QUOTE = (NULL,) * len(QUOTE_COLUMNS)
_NOT_REJECTED = (NULL,) * len(Rejection._fields)


def stage_lines(judged: Iterable[Judged], assets: Mapping[str, int]) -> Iterator[str]:
    """Yield a COPY line per judged record, columns as in `replay.STAGE_COLUMNS`.

    Args:
        judged: records with a verdict.
        assets: external id -> asset of every id that the records have or had.
    """
    for row, verdict in judged:
        held = assets.get(row.external_id) if row.external_id is not None else None
        before = (
            str(row.raw_id),
            row.ingested_at.isoformat(),
            NULL if held is None or row.observed_at is None else str(held),
            copy_text(row.external_id),
            NULL if row.observed_at is None else row.observed_at.isoformat(),
            row.digest,
        )
        if isinstance(verdict, Quote):
            asset_id = str(assets[verdict.external_id])
            yield "\t".join((*before, asset_id, *quote_cells(verdict), *_NOT_REJECTED))
        elif isinstance(verdict, Rejection):
            yield "\t".join((*before, NULL, *_NO_QUOTE, *_rejected(verdict)))


def _rejected(rejection: Rejection) -> tuple[str, ...]:
    return (
        copy_field(rejection.reason),
        copy_text(rejection.field),
        copy_text(rejection.detail),
    )
