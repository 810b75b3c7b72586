"""The COPY text of quotes, and of a page's accepted and rejected records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from cryptosource_etl.pipeline.copy_text import NULL, copy_field, copy_text
from cryptosource_etl.pipeline.prepare.change_detection import Accepted, Rejected
from cryptosource_etl.pipeline.prepare.payloads import PayloadOf
from cryptosource_etl.records import Quote, RawRecord
from cryptosource_store.quote_fields import NUMBER_NAMES

MAX_ID_LENGTH = 256
"""Characters kept of a rejected record's id: an index entry has no room for a megabyte."""


_FLAGS = ("f", "t")
_numbers = itemgetter(*map(Quote._fields.index, NUMBER_NAMES))


def quote_cells(quote: Quote) -> tuple[str, ...]:
    """Return a quote's fields as COPY text, one for each of `QUOTE_COLUMNS`."""
    return (
        copy_text(quote.external_id),
        copy_text(quote.symbol),
        copy_text(quote.name),
        *[NULL if number is None else str(number) for number in _numbers(quote)],
        quote.observed_at.isoformat(),
        _FLAGS[quote.inferred_time],
    )


def quote_text(record: RawRecord, quote: Quote, payload_of: PayloadOf) -> str:
    """Return the columns of `STAGE_COLUMNS` from `digest` on, for a COPY.

    They depend on nothing that is stored.
    """
    payload, scrubbed = payload_of(record)
    return "\t".join((record.digest, _FLAGS[scrubbed], *quote_cells(quote), copy_field(payload)))


def accepted_lines(
    accepted: Iterable[Accepted], assets: Mapping[str, int], texts: Iterable[str]
) -> Iterator[str]:
    """Yield a COPY line per accepted record, columns as in `STAGE_COLUMNS`.

    Args:
        accepted: the records.
        assets: external id -> asset.
        texts: `quote_text` of each.
    """
    for (seq, repeated, _, quote), text in zip(accepted, texts, strict=True):
        asset_id = assets[quote.external_id]
        yield f"{seq}\t{_FLAGS[repeated]}\t{asset_id}\t{text}"


def rejected_lines(rejected: Iterable[Rejected], payload_of: PayloadOf) -> Iterator[str]:
    """Yield a COPY line per rejected record, columns as in `REJECT_COLUMNS`."""
    for seq, record, rejection in rejected:
        payload, scrubbed = payload_of(record)
        yield "\t".join(
            (
                str(seq),
                copy_text(record.external_id and record.external_id[:MAX_ID_LENGTH]),
                record.digest,
                _FLAGS[scrubbed],
                rejection.reason,
                copy_text(rejection.field),
                copy_text(rejection.detail),
                copy_field(payload),
            )
        )
