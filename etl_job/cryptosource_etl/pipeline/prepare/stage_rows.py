"""Encode quotes and a page's accepted and rejected records as COPY text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from cryptosource_etl.pipeline.copy_text import NULL, copy_field, copy_text
from cryptosource_etl.pipeline.prepare.change_detection import Accepted, Rejected
from cryptosource_etl.pipeline.prepare.payloads import PayloadRenderer
from cryptosource_etl.records import Quote, RawRecord
from cryptosource_store.quote_fields import NUMBER_NAMES

# An accepted id is bounded by the rules of its source; a rejected one may be anything.
MAX_ID_LENGTH = 256
"""Characters kept of a rejected record's id."""

_FLAGS = ("f", "t")
# One call for all numbers of a quote, because this runs once for each record.
_get_numbers = itemgetter(*map(Quote._fields.index, NUMBER_NAMES))


def quote_cells(quote: Quote) -> tuple[str, ...]:
    """Return a quote's fields as COPY text, one for each of `QUOTE_COLUMNS`."""
    return (
        copy_text(quote.external_id),
        copy_text(quote.symbol),
        copy_text(quote.name),
        *[NULL if number is None else str(number) for number in _get_numbers(quote)],
        quote.observed_at.isoformat(),
        _FLAGS[quote.inferred_time],
    )


def quote_text(record: RawRecord, quote: Quote, render_payload: PayloadRenderer) -> str:
    """Return the columns of `STAGE_COLUMNS` from `digest` on, as COPY text."""
    # These depend on nothing that is stored, so they are encoded once; the columns before them,
    # which carry the asset, may have to be written again in the page's transaction.
    payload, scrubbed = render_payload(record)
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


def rejected_lines(rejected: Iterable[Rejected], render_payload: PayloadRenderer) -> Iterator[str]:
    """Yield a COPY line per rejected record, columns as in `REJECT_COLUMNS`."""
    for seq, record, rejection in rejected:
        payload, scrubbed = render_payload(record)
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
