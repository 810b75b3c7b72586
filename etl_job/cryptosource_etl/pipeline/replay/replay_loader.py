"""Judge one page of stored records again, in one transaction, entirely or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from cryptosource_etl.clock import Clock
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.copy_text import copy_buffer
from cryptosource_etl.pipeline.identity.resolution import IdentityResolver, propose
from cryptosource_etl.pipeline.load.checkpoint import Checkpoint
from cryptosource_etl.pipeline.load.monthly_partitions import MonthlyPartitions
from cryptosource_etl.pipeline.prepare.change_detection import Known
from cryptosource_etl.pipeline.prepare.page_preparation import coins_of, known_of
from cryptosource_etl.pipeline.replay.judgement import Judged, judge_again, stage_lines
from cryptosource_etl.pipeline.replay.replay_writer import ReplayWriter
from cryptosource_etl.pipeline.replay.stored_pages import StoredRow
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.flow import Batch
from cryptosource_etl.pipeline.run.outcome import Counts
from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.partitions import months_of
from cryptosource_store.reasons import Reason


class ReplayLoader:
    """Judges records again that are stored already: a `PageSink` for `StoredPages`.

    Args:
        connection: the claiming session.
        claim: whose epoch fences each commit.
        reader: judges records; its upstream is never asked.
        pins: external id -> `scope:external id` that the user fixed.
        clock: gives the month in which raw records arrive.
        crash_points: where tests end the process.
        reject_limit_percent: a larger share of records that had been accepted and now would not
            be fails the replay, because then the rules are more likely at fault than the records.
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
        self._crash = crash_points
        self._reject_limit_percent = reject_limit_percent
        self._writer = ReplayWriter(connection, claim)
        self._checkpoint = Checkpoint(connection, claim)
        self._partitions = MonthlyPartitions(connection, claim.source.source_type, clock)
        self._identity = IdentityResolver(
            connection,
            source_id=claim.source_id,
            id_scope=claim.source.id_scope,
            pins=pins,
            others_may_know=claim.source.shares_ids,
        )
        self._withdrawn = 0
        self._held = 0
        self.totals = Counts()
        """What this loader has committed so far."""

    def prepare(self) -> None:
        """Make the session ready. Once, before the first batch."""
        with self._connection.begin():
            self._writer.make_stages()

    def load(self, batch: Batch[None]) -> Counts:
        """Commit a page, entirely or not at all. The checkpoint stays where it is.

        Raises:
            Retryable: TooManyRejected, before anything of this page is changed; Fenced, when
                another run has claimed the source since.
        """
        judged = [self._judge(record.value) for record in batch.records]
        withdrawn = [
            each for each in judged if each.was_accepted and isinstance(each.verdict, Rejection)
        ]
        held = sum(each.was_accepted for each in judged)
        self._check_limit(withdrawn, held)
        accepted = [each.verdict for each in judged if isinstance(each.verdict, Quote)]
        known = self._known_of(judged)
        self._partitions.ensure(months_of(quote.observed_at for quote in accepted))
        counts = self._replay(batch, judged, accepted, known)
        self._crash.reach("page-committed")
        self._withdrawn += len(withdrawn)
        self._held += held
        self.totals += counts
        return counts

    def _judge(self, row: StoredRow) -> Judged:
        return judge_again(self._reader, row)

    def _check_limit(self, withdrawn: Sequence[Judged], held: int) -> None:
        bad, total = self._withdrawn + len(withdrawn), self._held + held
        if bad * 100 <= self._reject_limit_percent * total:
            return
        first = withdrawn[0].verdict
        assert isinstance(first, Rejection)  # noqa: S101 - that is why it is among them
        raise Retryable(
            Reason.TOO_MANY_REJECTED,
            f"{bad} of {total} records that are loaded would be withdrawn, more than "
            f"rejectLimitPercent={self._reject_limit_percent:g} allows; the first: "
            f"{first.reason}, {first.detail}",
        )

    def _known_of(self, judged: Sequence[Judged]) -> Mapping[str, Known]:
        ids = {each.row.external_id for each in judged}
        ids |= {each.verdict.external_id for each in judged if isinstance(each.verdict, Quote)}
        with self._connection.begin():
            return known_of(
                self._connection,
                self._claim.source_id,
                self._claim.source.id_scope,
                [each for each in ids if each is not None],
            )

    def _replay(
        self,
        batch: Batch[None],
        judged: Sequence[Judged],
        accepted: Sequence[Quote],
        known: Mapping[str, Known],
    ) -> Counts:
        with self._connection.begin():
            assets = self._assets(accepted, known)
            self._writer.stage(copy_buffer(stage_lines(judged, assets)))
            self._crash.reach("page-staged")
            changed, anything = self._writer.write_quotes()
            if anything:
                self._name_fallbacks()
                self._writer.follow()
            self._writer.restamp()
            self._writer.settle_quarantine(contract_version=self._reader.contract_version)
            self._crash.reach("page-merged")
            counts = _counts(judged, changed)
            self._checkpoint.keep(batch, counts)
            self._crash.reach("checkpoint-moved")
        return counts

    def _assets(self, accepted: Sequence[Quote], known: Mapping[str, Known]) -> Mapping[str, int]:
        """Return the coins of all ids: of what is accepted now, and of what was until now."""
        assets = {
            external_id: each.asset_id
            for external_id, each in known.items()
            if each.asset_id is not None
        }
        _, newcomers, _ = coins_of(accepted, known)
        if not newcomers:
            return assets
        free = [coin for coin in newcomers if coin.external_id not in self._pins]
        proposal = propose(self._connection, free, id_scope=self._claim.source.id_scope)
        decided = self._identity.settle(newcomers, proposal)
        return {**assets, **proposal.assets, **decided}

    def _name_fallbacks(self) -> None:
        verdicts = [self._judge(row) for row in self._writer.unnamed()]
        self._writer.name(
            [(each.row, each.verdict) for each in verdicts if isinstance(each.verdict, Quote)]
        )


def _counts(judged: Sequence[Judged], changed: set[int]) -> Counts:
    """Return loaded: the observation changed; rejected: in quarantine now; unchanged: the rest."""
    rejected = sum(
        isinstance(verdict, Rejection) or (verdict is None and row.observed_at is None)
        for row, verdict in judged
    )
    return Counts(len(changed), len(judged) - rejected - len(changed), rejected)
