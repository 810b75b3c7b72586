"""Judge pages of stored records again and store the changes, a page in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from cryptosource_etl.clock import Clock
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.copy_text import copy_buffer
from cryptosource_etl.pipeline.identity.proposal import propose
from cryptosource_etl.pipeline.identity.resolution import IdentityResolver
from cryptosource_etl.pipeline.load.checkpoint import Checkpoint
from cryptosource_etl.pipeline.load.monthly_partitions import MonthlyPartitions
from cryptosource_etl.pipeline.prepare.change_detection import StoredState
from cryptosource_etl.pipeline.prepare.page_preparation import find_newcomers, look_up_stored
from cryptosource_etl.pipeline.replay.judgement import Judgement, judge_again, stage_lines
from cryptosource_etl.pipeline.replay.replay_writer import ReplayWriter
from cryptosource_etl.pipeline.replay.stored_pages import StoredRow
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.outcome import Counts
from cryptosource_etl.pipeline.run.ports import Batch
from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.partitions import months_of
from cryptosource_store.reasons import Reason


class ReplayLoader:
    """Judges stored records again: a `PageSink` for `StoredPages`.

    Args:
        connection: the claiming session.
        claim: its epoch fences each commit.
        reader: judges records; its upstream is never called.
        pins: external id -> `scope:external id` that the user fixed.
        clock: gives the month in which raw records arrive.
        crash_points: where tests end the process.
        reject_limit_percent: the replay fails when a larger share of the accepted records would be
            rejected.
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
        self._claim = claim
        self._reader = reader
        self._pins = pins
        self._crash_points = crash_points
        self._reject_limit_percent = reject_limit_percent
        self._writer = ReplayWriter(connection, claim)
        self._checkpoint = Checkpoint(connection, claim)
        self._partitions = MonthlyPartitions(connection, claim.source.source_type, clock)
        self._identity = IdentityResolver(
            connection,
            source_id=claim.source_id,
            id_scope=claim.source.id_scope,
            pins=pins,
            shared_scope=claim.source.shares_ids,
        )
        self._withdrawn = 0
        self._accepted_before = 0
        self.totals = Counts()
        """Records that this loader has committed so far."""

    def prepare(self) -> None:
        """Make the session ready. Call it once, before the first batch."""
        with self._connection.begin():
            self._writer.create_stages()

    def load(self, batch: Batch[None]) -> Counts:
        """Commit a page, entirely or not at all. The checkpoint stays where it is.

        Raises:
            Retryable: TooManyRejected, before anything of this page is changed; Fenced, when
                another run has claimed the source since.
        """
        judgements = [self._judge(record.value) for record in batch.records]
        withdrawn = [
            each for each in judgements if each.was_accepted and isinstance(each.verdict, Rejection)
        ]
        accepted_before = sum(each.was_accepted for each in judgements)
        self._check_limit(withdrawn, accepted_before)
        accepted = [each.verdict for each in judgements if isinstance(each.verdict, Quote)]
        states = self._read_states(judgements)
        self._partitions.ensure(months_of(quote.observed_at for quote in accepted))
        counts = self._replay(batch, judgements, accepted, states)
        self._crash_points.reach("page-committed")
        self._withdrawn += len(withdrawn)
        self._accepted_before += accepted_before
        self.totals += counts
        return counts

    def _judge(self, row: StoredRow) -> Judgement:
        return judge_again(self._reader, row)

    def _check_limit(self, withdrawn: Sequence[Judgement], accepted_before: int) -> None:
        bad = self._withdrawn + len(withdrawn)
        total = self._accepted_before + accepted_before
        # Where many records that had been accepted would be rejected, the rules are more likely at
        # fault than the records, so nothing is withdrawn.
        if bad * 100 <= self._reject_limit_percent * total:
            return
        first = withdrawn[0].verdict
        assert isinstance(first, Rejection)  # noqa: S101 - `withdrawn` holds nothing else
        raise Retryable(
            Reason.TOO_MANY_REJECTED,
            f"{bad} of {total} records that are loaded would be withdrawn, more than "
            f"rejectLimitPercent={self._reject_limit_percent:g} allows; the first: "
            f"{first.reason}, {first.detail}",
        )

    def _read_states(self, judgements: Sequence[Judgement]) -> Mapping[str, StoredState]:
        # The current rules may read another external id from a payload than the earlier ones did.
        ids = {each.row.external_id for each in judgements}
        ids |= {each.verdict.external_id for each in judgements if isinstance(each.verdict, Quote)}
        with self._connection.begin():
            return look_up_stored(
                self._connection,
                self._claim.source_id,
                self._claim.source.id_scope,
                [each for each in ids if each is not None],
            )

    def _replay(
        self,
        batch: Batch[None],
        judgements: Sequence[Judgement],
        accepted: Sequence[Quote],
        states: Mapping[str, StoredState],
    ) -> Counts:
        with self._connection.begin():
            assets = self._resolve_assets(accepted, states)
            self._writer.stage(copy_buffer(stage_lines(judgements, assets)))
            self._crash_points.reach("page-staged")
            changed, any_touched = self._writer.write_quotes()
            # A page that is right already takes no lock on what sources share.
            if any_touched:
                self._write_fallback_names()
                self._writer.update_derived()
            self._writer.restamp()
            self._writer.settle_quarantine(contract_version=self._reader.contract_version)
            self._crash_points.reach("page-merged")
            counts = _count_outcomes(judgements, changed)
            # Not moved: a replay reads nothing from the upstream.
            self._checkpoint.keep(batch, counts)
            self._crash_points.reach("checkpoint-moved")
        return counts

    def _resolve_assets(
        self, accepted: Sequence[Quote], states: Mapping[str, StoredState]
    ) -> Mapping[str, int]:
        """Return the assets of all ids that the page's records have now or had before."""
        assets = {
            external_id: state.asset_id
            for external_id, state in states.items()
            if state.asset_id is not None
        }
        _, newcomers, _ = find_newcomers(accepted, states)
        if not newcomers:
            return assets
        unpinned = [coin for coin in newcomers if coin.external_id not in self._pins]
        proposal = propose(self._connection, unpinned, id_scope=self._claim.source.id_scope)
        resolved = self._identity.settle(newcomers, proposal)
        return {**assets, **proposal.assets, **resolved}

    def _write_fallback_names(self) -> None:
        # `quotes` keeps no symbol and no name. A coin whose newest quote was withdrawn falls back to
        # an older one, whose names are only in its payload.
        judgements = [self._judge(row) for row in self._writer.read_fallbacks()]
        self._writer.write_names(
            [(each.row, each.verdict) for each in judgements if isinstance(each.verdict, Quote)]
        )


def _count_outcomes(judgements: Sequence[Judgement], changed: set[int]) -> Counts:
    """Return loaded: the observation changed; rejected: in quarantine now; unchanged: the rest."""
    rejected = sum(
        isinstance(verdict, Rejection) or (verdict is None and row.observed_at is None)
        for row, verdict in judgements
    )
    return Counts(len(changed), len(judgements) - rejected - len(changed), rejected)
