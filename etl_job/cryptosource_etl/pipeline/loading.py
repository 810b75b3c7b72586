"""Load one batch of records in one transaction, entirely or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.claiming import Claim
from cryptosource_etl.pipeline.encoding import copy_buffer
from cryptosource_etl.pipeline.identity import IdentityResolver
from cryptosource_etl.pipeline.judging_ahead import ready_text
from cryptosource_etl.pipeline.matching import Newcomer
from cryptosource_etl.pipeline.sifting import Accepted, Known, Sifted, sift
from cryptosource_etl.pipeline.staging import (
    PayloadOf,
    TextOf,
    accepted_lines,
    quote_text,
    rejected_lines,
)
from cryptosource_etl.pipeline.storing import (
    blames_payload,
    is_storable,
    safe_payload,
    storable_payload,
)
from cryptosource_etl.pipeline.writing import PageWriter
from cryptosource_etl.records import Cursor, Quote, RawRecord, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.partitions import (
    ensure_quote_partitions,
    ensure_raw_partitions,
    months_of,
)
from cryptosource_store.reasons import Reason

RAW_MONTHS_AHEAD = timedelta(days=1)
"""A page is in at the latest that long after it was judged."""

EARLIER_LIMIT = 1000
"""Records of earlier runs of a pass that count when the share of rejected ones is judged."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of records. processed = loaded + unchanged + rejected, always."""

    loaded: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def processed(self) -> int:
        """Records that were judged."""
        return self.loaded + self.unchanged + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.loaded + other.loaded,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Records to commit together, and the checkpoint that says they are in."""

    records: Sequence[RawRecord]
    received_at: datetime
    cursor: Cursor | None
    """None leaves the checkpoint where it is (a replay)."""
    records_committed: int = 0
    records_total: int | None = None
    requests: int = 0
    retries: int = 0


class PageLoader:
    """Loads one source's records on the session that claimed it.

    Args:
        connection: the claiming session.
        claim: whose epoch fences each commit.
        reader: judges records and renders payloads.
        pins: external id -> `scope:external id` that the user fixed.
        clock: stamps the time of arrival.
        crash_points: where tests end the process.
        reject_limit_percent: more rejected records than that fail the run.
    """

    def __init__(
        self,
        connection: Connection,
        claim: Claim,
        reader: SourceReader,
        *,
        pins: Mapping[str, str],
        clock: Clock,
        crash_points: CrashPoints,
        reject_limit_percent: float,
    ) -> None:
        self._connection = connection
        self._source_type = claim.source.source_type
        self._reader = reader
        self._clock = clock
        self._crash = crash_points
        self._reject_limit_percent = reject_limit_percent
        self._writer = PageWriter(connection, claim)
        self._identity = IdentityResolver(connection, id_scope=claim.source.id_scope, pins=pins)
        self._quote_months: set[tuple[int, int]] = set()
        self._raw_months: set[tuple[int, int]] = set()
        self.totals = Counts()
        """What this loader has committed so far."""

    def prepare(self) -> None:
        """Make the session ready. Once, before the first batch."""
        with self._connection.begin():
            self._writer.make_stages()

    def load(self, batch: Batch) -> Counts:
        """Commit a batch, entirely or not at all.

        Raises:
            Retryable: TooManyRejected (quarantine is kept, the checkpoint stays); Fenced, when
                another run has claimed the source since.
        """
        known = self._known(batch.records)

        def normalize(record: RawRecord) -> Quote | Rejection:
            return self._reader.normalize(record, received_at=batch.received_at)

        sifted = sift(batch.records, known, normalize)
        self._ensure_partitions(sifted)
        if self._over_limit(batch, sifted):
            self._refuse(batch, sifted)
        return self._commit(batch, sifted, known)

    def _known(self, records: Sequence[RawRecord]) -> dict[str, Known]:
        ids = {record.external_id for record in records if is_storable(record.external_id)}
        with self._connection.begin():
            return {row[0]: Known(*row[1:]) for row in self._writer.known(list(ids))}

    def _ensure_partitions(self, sifted: Sifted) -> None:
        """Open new months in a transaction of their own, so that no page holds their lock."""
        observed = months_of(entry.quote.observed_at for entry in sifted.accepted)
        quote_months = observed - self._quote_months
        now = self._clock.now()  # the page is written later, perhaps in the next month
        raw_months = months_of([now, now + RAW_MONTHS_AHEAD]) - self._raw_months
        if not (quote_months or raw_months):
            return
        with self._connection.begin():
            if quote_months:
                ensure_quote_partitions(self._connection, quote_months)
            if raw_months:
                ensure_raw_partitions(self._connection, self._source_type, raw_months)
        self._quote_months |= quote_months
        self._raw_months |= raw_months

    def _over_limit(self, batch: Batch, sifted: Sifted) -> bool:
        """Return whether too many records are bad; one among good ones never is, above 0 %.

        A run that resumes a pass may have only its worst few records left. It is judged together
        with what earlier runs committed of the pass, or it would fail for ever where a run that
        was never cut succeeds.
        """
        in_batch = len(batch.records)
        rejected = self.totals.rejected + len(sifted.rejected)
        before = max(self.totals.processed, batch.records_committed - in_batch)
        earlier = min(before - self.totals.processed, EARLIER_LIMIT)
        judged = self.totals.processed + earlier + in_batch
        if rejected == 1 < judged and self._reject_limit_percent > 0:
            return False
        return rejected * 100 > self._reject_limit_percent * judged

    def _refuse(self, batch: Batch, sifted: Sifted) -> None:
        """Keep the evidence of a batch that is too bad to load, and fail the run."""
        in_batch = len(sifted.accepted) + len(sifted.rejected) + sifted.unchanged
        processed = self.totals.processed + in_batch
        evidence = Sifted([], sifted.rejected, 0, maybe_stored=False)
        self._commit(replace(batch, cursor=None), evidence, {})
        first = sifted.rejected[0].rejection
        raise Retryable(
            Reason.TOO_MANY_REJECTED,
            f"{self.totals.rejected} of {processed} records were rejected, more than "
            f"rejectLimitPercent={self._reject_limit_percent:g} allows; the first: "
            f"{first.reason}, {first.detail}",
        )

    def _commit(self, batch: Batch, sifted: Sifted, known: Mapping[str, Known]) -> Counts:
        payload_of = safe_payload(self._reader.payload)
        try:
            text_of = ready_text(payload_of)
            counts = self._transact(batch, sifted, known, payload_of, text_of)
        except DBAPIError as error:
            if not blames_payload(error):
                raise
            records = [entry.record for entry in sifted.accepted]
            records += [refused.record for refused in sifted.rejected]
            payload_of = storable_payload(self._connection, self._reader.payload, records)
            text_of = partial(quote_text, payload_of=payload_of)
            counts = self._transact(batch, sifted, known, payload_of, text_of)
        self._crash.reach("page-committed")
        self.totals += counts
        return counts

    def _transact(
        self,
        batch: Batch,
        sifted: Sifted,
        known: Mapping[str, Known],
        payload_of: PayloadOf,
        text_of: TextOf,
    ) -> Counts:
        with self._connection.begin():
            ingested_at = self._clock.now()
            stored_before = 0
            if sifted.accepted:
                stored_before = self._stage(sifted, known, text_of)
            loaded = len(sifted.accepted) - stored_before
            if loaded:
                new_records = _without_observation(sifted.accepted, known)
                self._writer.merge(ingested_at=ingested_at, new_records=new_records)
            if sifted.rejected:
                self._writer.quarantine(
                    copy_buffer(rejected_lines(sifted.rejected, payload_of)),
                    contract_version=self._reader.contract_version,
                    ingested_at=ingested_at,
                )
            self._crash.reach("page-merged")
            counts = Counts(loaded, sifted.unchanged + stored_before, len(sifted.rejected))
            self._check_point(batch, sifted, counts)
            self._crash.reach("checkpoint-moved")
        return counts

    def _stage(self, sifted: Sifted, known: Mapping[str, Known], text_of: TextOf) -> int:
        """Stage the accepted records; return how many of them turned out to be stored already."""
        assets = self._assets(sifted.accepted, known)
        self._writer.stage(copy_buffer(accepted_lines(sifted.accepted, assets, text_of)))
        self._crash.reach("page-staged")
        return self._writer.drop_unchanged() if sifted.maybe_stored else 0

    def _assets(
        self, accepted: Sequence[Accepted], known: Mapping[str, Known]
    ) -> Mapping[str, int]:
        assets = {
            external_id: entry.asset_id
            for external_id, entry in known.items()
            if entry.asset_id is not None
        }
        newcomers = _newcomers(accepted, assets)
        return assets | self._identity.resolve(newcomers) if newcomers else assets

    def _check_point(self, batch: Batch, sifted: Sifted, counts: Counts) -> None:
        observed = [entry.quote.observed_at for entry in sifted.accepted]
        self._writer.move_checkpoint(
            batch.cursor,
            records_committed=batch.records_committed,
            observed_at=max(observed, default=None),
        )
        self._writer.count(
            {
                "processed": counts.processed,
                "loaded": counts.loaded,
                "unchanged": counts.unchanged,
                "rejected": counts.rejected,
                "pages": 1 if counts.processed else 0,
                "requests": batch.requests,
                "retries": batch.retries,
                "records_total": batch.records_total,
            }
        )


def _without_observation(accepted: Sequence[Accepted], known: Mapping[str, Known]) -> int:
    return len(
        {
            entry.quote.external_id
            for entry in accepted
            if entry.quote.external_id not in known or known[entry.quote.external_id].digest is None
        }
    )


def _newcomers(accepted: Sequence[Accepted], assets: Mapping[str, int]) -> list[Newcomer]:
    """Return a newcomer per unknown id, as its newest observation shows it."""
    newest: dict[str, Newcomer] = {}
    for entry in accepted:
        quote = entry.quote
        earlier = newest.get(quote.external_id)
        if quote.external_id in assets or (earlier and earlier.observed_at > quote.observed_at):
            continue
        newest[quote.external_id] = Newcomer(
            quote.external_id,
            quote.symbol,
            quote.name,
            quote.price_usd,
            quote.market_cap_usd,
            quote.rank,
            quote.observed_at,
        )
    return list(newest.values())
