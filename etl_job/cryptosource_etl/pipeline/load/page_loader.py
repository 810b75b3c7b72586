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
from cryptosource_etl.pipeline.identity.resolution import (
    NO_NEWCOMERS,
    IdentityResolver,
    not_as_proposed,
)
from cryptosource_etl.pipeline.load.checkpoint import Checkpoint
from cryptosource_etl.pipeline.load.monthly_partitions import MonthlyPartitions
from cryptosource_etl.pipeline.load.page_writer import PageWriter
from cryptosource_etl.pipeline.prepare.change_detection import DetectedChanges
from cryptosource_etl.pipeline.prepare.page_preparation import PagePreparer, PreparedPage
from cryptosource_etl.pipeline.prepare.payloads import (
    PayloadOf,
    blames_payload,
    safe_payload,
    storable_payload,
)
from cryptosource_etl.pipeline.prepare.stage_rows import rejected_lines
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.database_errors import sqlstate
from cryptosource_etl.pipeline.run.flow import Batch
from cryptosource_etl.pipeline.run.outcome import Counts
from cryptosource_etl.records import RawRecord
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.reasons import Reason

MAX_EARLIER = 1000
"""Records of earlier runs of a pass that count when the share of rejected ones is judged."""


UNIQUE_VIOLATION = "23505"
"""SQLSTATE: another source took a coin's name between the look-up and the identity lock."""

PAGES_AHEAD = 3
"""Pages that may have been prepared before the one in hand was committed."""


class PageLoader:
    """Loads one source's records on the session that claimed it: a `PageSink`.

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
        self._reader = reader
        self._clock = clock
        self._crash = crash_points
        self._reject_limit_percent = reject_limit_percent
        self._writer = PageWriter(connection, claim)
        self._checkpoint = Checkpoint(connection, claim)
        self._partitions = MonthlyPartitions(connection, claim.source.source_type, clock)
        self._identity = IdentityResolver(
            connection,
            source_id=claim.source_id,
            id_scope=claim.source.id_scope,
            pins=pins,
            others_may_know=claim.source.shares_ids,
        )
        self._preparer = PagePreparer(claim, reader, pinned=pins, lend=self._lend)
        self._decided: deque[Mapping[str, int]] = deque(maxlen=PAGES_AHEAD)
        """Of the last pages: external id -> asset, where it is not the one that was prepared.

        A page that followed another one's proposal says so itself: the next page may have been
        prepared when that other one was in already, and follow this one.
        """
        self._reject_reasons: Counter[str] = Counter()
        self.totals = Counts()
        """What this loader has committed so far."""
        self.pages_committed = 0
        """Batches that are in."""

    def prepare(self) -> None:
        """Make the session ready. Once, before the first batch."""
        with self._connection.begin():
            self._writer.make_stages()

    def load(self, batch: Batch[PreparedPage]) -> Counts:
        """Commit a batch, entirely or not at all.

        Raises:
            Retryable: TooManyRejected (quarantine is kept, the checkpoint stays); Fenced, when
                another run has claimed the source since.
        """
        prepared = batch.prepared or self._prepare(batch)
        self._partitions.ensure(prepared.months)
        if self._over_limit(batch, prepared.sifted):
            self._refuse(batch, prepared)
        counts = self._commit(batch, prepared, self._decided_before(prepared))
        self.pages_committed += 1
        return counts

    @contextmanager
    def _lend(self) -> Iterator[Connection]:
        with self._connection.begin():
            yield self._connection

    def _prepare(self, batch: Batch[PreparedPage]) -> PreparedPage:
        return self._preparer.prepare(batch.records, batch.received_at)

    def _decided_before(self, prepared: PreparedPage) -> dict[str, int]:
        """Return the page's coins that turned out otherwise in the pages it followed."""
        return {
            external_id: asset_id
            for decided in self._decided
            for external_id, asset_id in decided.items()
            if prepared.assets.get(external_id, asset_id) != asset_id
        }

    def _over_limit(self, batch: Batch[PreparedPage], sifted: DetectedChanges) -> bool:
        """Return whether too many records are bad; one among good ones never is, above 0 %.

        A run that resumes a pass may have only its worst few records left. It is judged together
        with what earlier runs committed of the pass, or it would fail for ever where a run that
        was never cut succeeds.
        """
        in_batch = len(batch.records)
        rejected = self.totals.rejected + len(sifted.rejected)
        before = max(self.totals.processed, batch.records_committed - in_batch)
        earlier = min(before - self.totals.processed, MAX_EARLIER)
        judged = self.totals.processed + earlier + in_batch
        if rejected == 1 < judged and self._reject_limit_percent > 0:
            return False
        return rejected * 100 > self._reject_limit_percent * judged

    def _refuse(self, batch: Batch[PreparedPage], prepared: PreparedPage) -> None:
        """Keep the evidence of a batch that is too bad to load, and fail the run."""
        sifted = prepared.sifted
        in_batch = len(sifted.accepted) + len(sifted.rejected) + sifted.unchanged
        processed = self.totals.processed + in_batch
        evidence = DetectedChanges([], sifted.rejected, 0, maybe_stored=False, moved={})
        only_evidence = prepared._replace(
            sifted=evidence, newcomers=(), proposal=NO_NEWCOMERS, observed_at=None
        )
        self._commit(replace(batch, cursor=None), only_evidence, {})
        first = sifted.rejected[0].rejection
        raise Retryable(
            Reason.TOO_MANY_REJECTED,
            f"{self.totals.rejected} of {processed} records were rejected, more than "
            f"rejectLimitPercent={self._reject_limit_percent:g} allows; the first: "
            f"{first.reason}, {first.detail}",
        )

    def _commit(
        self, batch: Batch[PreparedPage], proposed: PreparedPage, followed: Mapping[str, int]
    ) -> Counts:
        """Commit the page.

        Args:
            batch: what to commit.
            proposed: the page as it was prepared.
            followed: coins of it that earlier pages decided otherwise.
        """
        prepared = proposed.with_assets(followed) if followed else proposed
        payload_of = safe_payload(self._reader.payload)
        try:
            counts, decided = self._transact(batch, prepared, payload_of)
        except DBAPIError as error:
            again = prepared
            if blames_payload(error):
                payload_of = self._storable_payload(prepared.sifted)
                again = prepared.with_payloads(payload_of)
            elif sqlstate(error) == UNIQUE_VIOLATION and prepared.newcomers:
                again = self._prepare(batch)
            else:
                raise
            counts, decided = self._transact(batch, again, payload_of)
            decided = not_as_proposed(prepared.proposal.assets, {**again.assets, **decided})
        self._crash.reach("page-committed")
        self._decided.append({**followed, **decided})
        self.totals += counts
        self._reject_reasons += _reasons(prepared.sifted)
        return counts

    def _storable_payload(self, sifted: DetectedChanges) -> PayloadOf:
        records: list[RawRecord] = [entry.record for entry in sifted.accepted]
        records += [refused.record for refused in sifted.rejected]
        return storable_payload(self._connection, self._reader.payload, records)

    def _transact(
        self, batch: Batch[PreparedPage], prepared: PreparedPage, payload_of: PayloadOf
    ) -> tuple[Counts, Mapping[str, int]]:
        """Commit the page; return what became of its records, and coins that were not foreseen."""
        sifted = prepared.sifted
        decided: Mapping[str, int] = {}
        with self._connection.begin():
            ingested_at = self._clock.now()
            stored_before = 0
            if prepared.newcomers:
                decided = self._identity.settle(
                    prepared.newcomers, prepared.proposal, surprised=any(self._decided)
                )
                prepared = prepared.with_assets(decided) if decided else prepared
            if sifted.accepted:
                stored_before = self._stage(prepared)
            loaded = len(sifted.accepted) - stored_before
            if loaded:
                self._writer.merge(ingested_at=ingested_at, new_records=prepared.new_records)
            if sifted.rejected:
                self._writer.quarantine(
                    copy_buffer(rejected_lines(sifted.rejected, payload_of)),
                    contract_version=self._reader.contract_version,
                    ingested_at=ingested_at,
                )
            self._crash.reach("page-merged")
            counts = Counts(loaded, sifted.unchanged + stored_before, len(sifted.rejected))
            self._checkpoint.move(batch, counts, observed_at=prepared.observed_at)
            if sifted.rejected:
                self._writer.count_rejects(self._reject_reasons + _reasons(sifted))
            self._crash.reach("checkpoint-moved")
        return counts, decided

    def _stage(self, prepared: PreparedPage) -> int:
        """Stage the accepted records; return how many of them turned out to be stored already."""
        assert prepared.buffer is not None  # noqa: S101 - no asset is open any more
        self._writer.stage(prepared.buffer)
        self._crash.reach("page-staged")
        return self._writer.drop_unchanged() if prepared.sifted.maybe_stored else 0


def _reasons(sifted: DetectedChanges) -> Counter[str]:
    return Counter(str(refused.rejection.reason) for refused in sifted.rejected)
