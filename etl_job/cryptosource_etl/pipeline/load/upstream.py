"""Load what an upstream has: a run from the checkpoint to the upstream's end.

Pages are read and prepared in a thread of their own while the run loads the page before, and what
a whole pass shows of the upstream (the shape of its records, the ids it lists) is noted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from cryptosource_etl.pipeline.identity.pins import pins_without_effect
from cryptosource_etl.pipeline.load.page_loader import PageLoader
from cryptosource_etl.pipeline.observe.shape_drift import ShapeTracker, record_drift
from cryptosource_etl.pipeline.observe.upstream_inventory import UpstreamInventory, record_listing
from cryptosource_etl.pipeline.prepare.page_preparation import PagePreparer, PreparedPage
from cryptosource_etl.pipeline.prepare.pipelined_preparation import (
    LookUpSession,
    PipelinedPreparation,
)
from cryptosource_etl.pipeline.prepare.prefetch import Prefetch
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.flow import Flow
from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.pipeline.run.plan import ClaimedRun, RunKind
from cryptosource_etl.records import Page
from cryptosource_etl.sources.plugin import SourceReader

log = logging.getLogger(__name__)

LATE_PINS_SHOWN = 10


class UpstreamPages:
    """The pages of a source's upstream from its checkpoint on: a `PageSource`.

    Args:
        run: whose reader is asked, and who waits.
        committed: returns how many of the pages are in.
    """

    def __init__(self, run: ClaimedRun, *, committed: Callable[[], int]) -> None:
        self._run = run
        self._committed = committed

    @contextmanager
    def open(self) -> Iterator[Iterable[tuple[Page, PreparedPage]]]:
        """Return the pages; leaving waits for the extracting thread, but not for long."""
        settings = self._run.plan.settings
        prefetch = Prefetch(
            self._prepared_pages,
            idle_seconds=settings.idle_check_seconds,
            on_idle=self._run.pulse,
        )
        try:
            with prefetch as pages:
                yield pages
        finally:
            prefetch.join(settings.shutdown_seconds)

    def _prepared_pages(self) -> Iterator[tuple[Page, PreparedPage]]:
        """Yield pages ready to be committed; runs in the extracting thread."""
        run = self._run
        session = LookUpSession(run.engine)
        preparer = PagePreparer(run.claim, run.reader, pinned=run.plan.pins, lend=session.lend)
        ahead = PipelinedPreparation(preparer, committed=self._committed)
        pages = run.reader.pages(run.claim.cursor)
        try:
            yield from ahead.prepare(pages)
        finally:
            session.close()
            close = getattr(pages, "close", None)
            if close is not None:
                close()


class UpstreamObserver:
    """What a pass shows of its upstream: a `PassObserver`.

    Args:
        connection: the claiming session.
        claim: whose upstream it is.
        reader: knows the shape of a record.
    """

    def __init__(self, connection: Connection, claim: Claim, reader: SourceReader) -> None:
        self._connection = connection
        self._claim = claim
        self._shape = ShapeTracker(reader)
        self._listing = UpstreamInventory()

    def observe(self, page: Page) -> None:
        """Take a page in."""
        self._shape.observe(page)
        self._listing.observe(page)

    def record(self) -> Sequence[Drift]:
        """Store the pass's shape and list of ids; return what changed of the shape."""
        drifts = record_drift(self._connection, self._claim, self._shape)
        record_listing(self._connection, self._claim, self._listing)
        return drifts


def _compose(run: ClaimedRun) -> Flow[PreparedPage]:
    loader = PageLoader(
        run.connection,
        run.claim,
        run.reader,
        pins=run.plan.pins,
        clock=run.clock,
        crash_points=run.plan.settings.crash_points,
        reject_limit_percent=run.plan.reject_limit_percent,
    )
    loader.prepare()
    _warn_of_late_pins(run)
    return Flow(
        source=UpstreamPages(run, committed=lambda: loader.pages_committed),
        sink=loader,
        records_committed=run.claim.records_committed,
        observer=UpstreamObserver(run.connection, run.claim, run.reader),
    )


def _warn_of_late_pins(run: ClaimedRun) -> None:
    with run.connection.begin():
        late = pins_without_effect(
            run.connection, id_scope=run.claim.source.id_scope, pins=run.plan.pins
        )
    if late:
        shown = dict(sorted(late.items())[:LATE_PINS_SHOWN])
        log.warning(
            "pins without effect: these ids were other coins before they were pinned",
            extra={"pins": shown, "count": len(late)},
        )


def _summary(counts: Counts, drifts: Sequence[Drift]) -> str:
    if not counts.processed:
        return "Nothing new since the last run"
    text = f"{counts.loaded} loaded, {counts.unchanged} unchanged, {counts.rejected} rejected"
    if drifts:
        changes = ", ".join(f"{drift.field} {drift.change}" for drift in drifts[:3])
        text += f"; the upstream's shape changed: {changes}"
    return text


LOAD = RunKind(
    compose=_compose,
    summary=_summary,
    stopped="Stopped by a signal after its last whole page; the next run goes on from there",
    asks_upstream=True,
)
"""A run that asks the upstream."""
