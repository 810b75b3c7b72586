"""Judge a stored record by the current rules. Pure."""

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


class Judgement(NamedTuple):
    """A stored record and its verdict by the current rules."""

    row: StoredRow
    verdict: Quote | Rejection | None
    """None: the stored payload is not enough to judge the record, so it stays as it is."""

    @property
    def was_accepted(self) -> bool:
        """Whether the record was accepted when it was last judged."""
        return self.row.observed_at is not None


def _unwrap_text(row: StoredRow) -> str | None:
    """Return the text as received, if JSONB refused it and it was stored as one JSON string."""
    if not (row.scrubbed and row.payload.startswith('"')):
        return None
    text = json.loads(row.payload)
    return text if isinstance(text, str) else None


def _restore(reader: SourceReader, payload: str | None) -> RawRecord | None:
    if payload is None:
        return None
    # A payload of an older version of a plugin, or one that was scrubbed, may be none any more that
    # the reader can restore. One such record must not end the replay of all others.
    try:
        return reader.restore(payload)
    except (ValueError, TypeError, LookupError):
        return None


def judge_again(reader: SourceReader, row: StoredRow) -> Judgement:
    """Judge a stored record by the reader's current rules."""
    original = _restore(reader, _unwrap_text(row))
    record = original or _restore(reader, row.payload)
    if record is None:
        return Judgement(row, None)
    # The stored digest is of the bytes as received; Postgres prints JSONB in its own way.
    record = record._replace(digest=row.digest)
    verdict = reader.normalize(record, received_at=row.ingested_at)
    if isinstance(verdict, Rejection):
        return Judgement(row, verdict)
    # A record whose text was changed to be stored does not leave quarantine: its quote would not be
    # what the upstream sent.
    if row.observed_at is None and row.scrubbed and original is None:
        return Judgement(row, None)
    # A time that was inferred when the record arrived is kept: inferred anew it could differ, and
    # the same observation would be stored under two times.
    if verdict.inferred_time and row.observed_at is not None:
        verdict = verdict._replace(observed_at=row.observed_at)
    return Judgement(row, verdict)


_NO_QUOTE = (NULL,) * len(QUOTE_COLUMNS)
_NOT_REJECTED = (NULL,) * len(Rejection._fields)


def stage_lines(judgements: Iterable[Judgement], assets: Mapping[str, int]) -> Iterator[str]:
    """Yield a COPY line per judged record, columns as in `replay.STAGE_COLUMNS`.

    Args:
        judgements: of one page; those without a verdict yield no line.
        assets: external id -> asset of every id that the records have or had.
    """
    for row, verdict in judgements:
        old_asset = assets.get(row.external_id) if row.external_id is not None else None
        before = (
            str(row.raw_id),
            row.ingested_at.isoformat(),
            NULL if old_asset is None or row.observed_at is None else str(old_asset),
            copy_text(row.external_id),
            NULL if row.observed_at is None else row.observed_at.isoformat(),
            row.digest,
        )
        if isinstance(verdict, Quote):
            asset_id = str(assets[verdict.external_id])
            yield "\t".join((*before, asset_id, *quote_cells(verdict), *_NOT_REJECTED))
        elif isinstance(verdict, Rejection):
            yield "\t".join((*before, NULL, *_NO_QUOTE, *_rejection_cells(verdict)))


def _rejection_cells(rejection: Rejection) -> tuple[str, ...]:
    return (
        copy_field(rejection.reason),
        copy_text(rejection.field),
        copy_text(rejection.detail),
    )
