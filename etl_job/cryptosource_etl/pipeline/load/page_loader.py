"""Load one batch of records in one transaction, entirely or not at all."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.copy_text import copy_buffer
from cryptosource_etl.pipeline.identity.proposal import NO_NEWCOMERS
from cryptosource_etl.pipeline.identity.resolution import IdentityResolver, changed_assets
from cryptosource_etl.pipeline.load.checkpoint import Checkpoint
from cryptosource_etl.pipeline.load.monthly_partitions import MonthlyPartitions
from cryptosource_etl.pipeline.load.page_writer import PageWriter
from cryptosource_etl.pipeline.prepare.change_detection import DetectedChanges
from cryptosource_etl.pipeline.prepare.page_preparation import PagePreparer, PreparedPage
from cryptosource_etl.pipeline.prepare.payloads import (
    PayloadRenderer,
    blames_payload,
    safe_payload,
    storable_payload,
)
from cryptosource_etl.pipeline.prepare.stage_rows import rejected_lines
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.database_errors import sqlstate
from cryptosource_etl.pipeline.run.outcome import Counts
from cryptosource_etl.pipeline.run.ports import Batch
from cryptosource_etl.records import RawRecord
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.reasons import Reason

MAX_EARLIER_RECORDS = 1000
"""Records of earlier runs of a pass that count when the share of rejected ones is judged."""

UNIQUE_VIOLATION = "23505"
"""SQLSTATE: another source took a slug or an alias between the look-up and the identity lock."""

# One page in the loading thread, one in the queue between the threads, one in the extracting thread.
PAGES_AHEAD = 3
"""Pages that may have been prepared before the current one was committed."""


class PageLoader:
    """Loads one source's records on the session that claimed it: a `PageSink`.

    Args:
        connection: the claiming session.
        claim: its epoch fences each commit.
        reader: judges records and renders payloads.
        pins: external id -> `scope:external id` that the user fixed.
        clock: stamps the time of arrival.
        crash_points: where tests end the process.
        reject_limit_percent: a larger share of rejected records fails the run.
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
        self._reader = reader
        self._clock = clock
        self._crash_points = crash_points
        self._reject_limit_percent = reject_limit_percent
        self._writer = PageWriter(connection, claim)
        self._checkpoint = Checkpoint(connection, claim)
        self._partitions = MonthlyPartitions(connection, claim.source.source_type, clock)
        self._identity = IdentityResolver(
            connection,
            source_id=claim.source_id,
            id_scope=claim.source.id_scope,
            pins=pins,
            shared_scope=claim.source.shares_ids,
        )
        self._preparer = PagePreparer(claim, reader, pinned=pins, acquire=self._acquire)
        # Of the last pages: external id -> asset, where it differs from the prepared one. An entry
        # includes the corrections that a page took over from earlier ones: a later page may have
        # been prepared when those were committed already, and relies on this page's proposal alone.
        self._corrections: deque[Mapping[str, int]] = deque(maxlen=PAGES_AHEAD)
        self._reject_reasons: Counter[str] = Counter()
        self.totals = Counts()
        """Records that this loader has committed so far."""
        self.pages_committed = 0
        """Batches that this loader has committed so far."""

    def prepare(self) -> None:
        """Make the session ready. Call it once, before the first batch."""
        with self._connection.begin():
            self._writer.create_stages()

    def load(self, batch: Batch[PreparedPage]) -> Counts:
        """Commit a batch, entirely or not at all.

        Raises:
            Retryable: TooManyRejected (quarantine is kept, the checkpoint stays); Fenced, when
                another run has claimed the source since.
        """
        # A part of a page, as FAIL_AFTER_N_RECORDS leaves it, comes without a preparation.
        prepared = batch.prepared or self._prepare(batch)
        self._partitions.ensure(prepared.months)
        if self._exceeds_reject_limit(batch, prepared.changes):
            self._reject_batch(batch, prepared)
        counts = self._commit(batch, prepared, self._earlier_corrections(prepared))
        # The extracting thread reads this to drop what it lays over look-ups, so it must not grow
        # before the page can be found by one.
        self.pages_committed += 1
        return counts

    @contextmanager
    def _acquire(self) -> Iterator[Connection]:
        with self._connection.begin():
            yield self._connection

    def _prepare(self, batch: Batch[PreparedPage]) -> PreparedPage:
        return self._preparer.prepare(batch.records, batch.received_at)

    def _earlier_corrections(self, prepared: PreparedPage) -> dict[str, int]:
        """Return the page's assets that differ from what pages in flight had proposed."""
        return {
            external_id: asset_id
            for corrections in self._corrections
            for external_id, asset_id in corrections.items()
            if prepared.assets.get(external_id, asset_id) != asset_id
        }

    def _exceeds_reject_limit(self, batch: Batch[PreparedPage], changes: DetectedChanges) -> bool:
        """Return whether the share of rejected records is above the limit."""
        # A run that resumes a pass may have only its worst few records left. It is judged together
        # with what earlier runs committed of the pass, or it would fail again and again where a run
        # that was never cut off succeeds.
        in_batch = len(batch.records)
        rejected = self.totals.rejected + len(changes.rejected)
        before = max(self.totals.processed, batch.records_committed - in_batch)
        earlier = min(before - self.totals.processed, MAX_EARLIER_RECORDS)
        judged = self.totals.processed + earlier + in_batch
        # One bad record among good ones is no broken upstream, however small the first page is.
        # A limit of 0 % allows none.
        if rejected == 1 < judged and self._reject_limit_percent > 0:
            return False
        return rejected * 100 > self._reject_limit_percent * judged

    def _reject_batch(self, batch: Batch[PreparedPage], prepared: PreparedPage) -> None:
        """Quarantine the rejected records of a batch, load none of the others, and fail the run."""
        changes = prepared.changes
        in_batch = len(changes.accepted) + len(changes.rejected) + changes.unchanged
        processed = self.totals.processed + in_batch
        evidence = DetectedChanges([], changes.rejected, 0, maybe_stored=False, new_states={})
        only_evidence = prepared._replace(
            changes=evidence, newcomers=(), proposal=NO_NEWCOMERS, observed_at=None
        )
        # Without a cursor: the next run reads the same records again.
        self._commit(replace(batch, cursor=None), only_evidence, {})
        first = changes.rejected[0].rejection
        raise Retryable(
            Reason.TOO_MANY_REJECTED,
            f"{self.totals.rejected} of {processed} records were rejected, more than "
            f"rejectLimitPercent={self._reject_limit_percent:g} allows; the first: "
            f"{first.reason}, {first.detail}",
        )

    def _commit(
        self, batch: Batch[PreparedPage], proposed: PreparedPage, corrections: Mapping[str, int]
    ) -> Counts:
        """Commit the page, prepared once more if Postgres refuses it.

        Args:
            batch: what to commit.
            proposed: the page as it was prepared.
            corrections: assets of it that earlier pages resolved differently.
        """
        prepared = proposed.with_assets(corrections) if corrections else proposed
        render_payload = safe_payload(self._reader.payload)
        try:
            counts, resolved = self._write(batch, prepared, render_payload)
        except DBAPIError as error:
            # Payloads are not tested one by one, nor names locked, on the usual path: Postgres'
            # own constraints find the rare page that needs it, and that page pays for it.
            again = prepared
            if blames_payload(error):
                render_payload = self._storable_payload(prepared.changes)
                again = prepared.with_payloads(render_payload)
            elif sqlstate(error) == UNIQUE_VIOLATION and prepared.newcomers:
                again = self._prepare(batch)
            else:
                raise
            counts, resolved = self._write(batch, again, render_payload)
            resolved = changed_assets(prepared.proposal.assets, {**again.assets, **resolved})
        self._crash_points.reach("page-committed")
        self._corrections.append({**corrections, **resolved})
        self.totals += counts
        self._reject_reasons += _count_reasons(prepared.changes)
        return counts

    def _storable_payload(self, changes: DetectedChanges) -> PayloadRenderer:
        records: list[RawRecord] = [entry.record for entry in changes.accepted]
        records += [entry.record for entry in changes.rejected]
        return storable_payload(self._connection, self._reader.payload, records)

    def _write(
        self, batch: Batch[PreparedPage], prepared: PreparedPage, render_payload: PayloadRenderer
    ) -> tuple[Counts, Mapping[str, int]]:
        """Commit the page; return its records by outcome, and the assets that were not proposed."""
        changes = prepared.changes
        resolved: Mapping[str, int] = {}
        with self._connection.begin():
            ingested_at = self._clock.now()
            stored_before = 0
            # Identity first: staged rows carry the asset, and its lock comes before all row locks.
            if prepared.newcomers:
                resolved = self._identity.settle(
                    prepared.newcomers, prepared.proposal, recheck=any(self._corrections)
                )
                prepared = prepared.with_assets(resolved) if resolved else prepared
            if changes.accepted:
                stored_before = self._stage(prepared)
            loaded = len(changes.accepted) - stored_before
            if loaded:
                self._writer.merge(ingested_at=ingested_at, new_records=prepared.new_records)
            if changes.rejected:
                self._writer.quarantine(
                    copy_buffer(rejected_lines(changes.rejected, render_payload)),
                    contract_version=self._reader.contract_version,
                    ingested_at=ingested_at,
                )
            self._crash_points.reach("page-merged")
            counts = Counts(loaded, changes.unchanged + stored_before, len(changes.rejected))
            # After the data, in the same transaction: both are committed or neither is.
            self._checkpoint.move(batch, counts, observed_at=prepared.observed_at)
            if changes.rejected:
                self._writer.count_rejects(self._reject_reasons + _count_reasons(changes))
            self._crash_points.reach("checkpoint-moved")
        return counts, resolved

    def _stage(self, prepared: PreparedPage) -> int:
        """Stage the accepted records; return how many of them turned out to be stored already."""
        # Pinned newcomers leave the buffer open; they have been resolved by now.
        assert prepared.buffer is not None  # noqa: S101
        self._writer.stage(prepared.buffer)
        self._crash_points.reach("page-staged")
        # The look-up by primary key is needed only for records no newer than the newest stored one.
        return self._writer.drop_unchanged() if prepared.changes.maybe_stored else 0


def _count_reasons(changes: DetectedChanges) -> Counter[str]:
    return Counter(str(entry.rejection.reason) for entry in changes.rejected)
