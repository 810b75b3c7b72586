"""The run that loads from an upstream: from the checkpoint to the upstream's end.

Pages are read and prepared in a thread of their own while the run loads the page before. The shape
of the upstream's records and the ids it lists are recorded for each whole pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from cryptosource_etl.pipeline.identity.resolution import pins_without_effect
from cryptosource_etl.pipeline.load.page_loader import PageLoader
from cryptosource_etl.pipeline.observe.shape_drift import ShapeTracker, record_drift
from cryptosource_etl.pipeline.observe.upstream_inventory import (
    UpstreamInventory,
    record_inventory,
)
from cryptosource_etl.pipeline.prepare.page_preparation import PagePreparer, PreparedPage
from cryptosource_etl.pipeline.prepare.pipelined_preparation import (
    LookUpSession,
    PipelinedPreparation,
)
from cryptosource_etl.pipeline.prepare.prefetch import Prefetch
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.pipeline.run.plan import ClaimedRun, RunKind
from cryptosource_etl.pipeline.run.ports import Flow
from cryptosource_etl.records import Page
from cryptosource_etl.sources.plugin import SourceReader

log = logging.getLogger(__name__)

MAX_LOGGED_PINS = 10
"""Pins without effect that one log line names."""


class UpstreamPages:
    """The pages of a source's upstream from its checkpoint on: a `PageSource`.

    Args:
        run: its reader yields the pages; its `pulse` is called while it waits for one.
        committed: returns how many of the pages have been committed.
    """

    def __init__(self, run: ClaimedRun, *, committed: Callable[[], int]) -> None:
        self._run = run
        self._committed = committed

    @contextmanager
    def open(self) -> Iterator[Iterable[tuple[Page, PreparedPage]]]:
        """Return the pages; leaving waits a bounded time for the extracting thread to end."""
        settings = self._run.plan.settings
        prefetch = Prefetch(
            self._prepare_pages,
            idle_seconds=settings.idle_check_seconds,
            on_idle=self._run.pulse,
        )
        try:
            with prefetch as pages:
                yield pages
        finally:
            # Bounded: the thread may sit in a read that does not return. It is a daemon, so a
            # process that ends does not wait for it either.
            prefetch.join(settings.shutdown_seconds)

    def _prepare_pages(self) -> Iterator[tuple[Page, PreparedPage]]:
        """Yield pages ready to be committed; runs in the extracting thread."""
        run = self._run
        # A session of its own: a database connection must not be used by two threads at once.
        session = LookUpSession(run.engine)
        preparer = PagePreparer(
            run.claim, run.reader, pinned=run.plan.pins, acquire=session.acquire
        )
        preparation = PipelinedPreparation(preparer, committed=self._committed)
        pages = run.reader.pages(run.claim.cursor)
        try:
            yield from preparation.prepare(pages)
        finally:
            session.close()
            # Closed in this thread, as `SourceReader.pages` promises: a generator cannot be closed
            # by another thread while it runs. An iterator that is no generator has no `close`.
            close = getattr(pages, "close", None)
            if close is not None:
                close()


class UpstreamObserver:
    """Records the shape and the inventory of a pass: a `PassObserver`.

    Args:
        connection: the claiming session.
        claim: of the source being read.
        reader: returns the shape of a record.
    """

    def __init__(self, connection: Connection, claim: Claim, reader: SourceReader) -> None:
        self._connection = connection
        self._claim = claim
        self._shape = ShapeTracker(reader)
        self._inventory = UpstreamInventory()

    def observe(self, page: Page) -> None:
        """Add a page to the pass."""
        self._shape.observe(page)
        self._inventory.observe(page)

    def record(self) -> Sequence[Drift]:
        """Store the shape and the ids of the pass; return the changes of the shape."""
        drifts = record_drift(self._connection, self._claim, self._shape)
        record_inventory(self._connection, self._claim, self._inventory)
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
    _log_late_pins(run)
    return Flow(
        source=UpstreamPages(run, committed=lambda: loader.pages_committed),
        sink=loader,
        records_committed=run.claim.records_committed,
        observer=UpstreamObserver(run.connection, run.claim, run.reader),
    )


def _log_late_pins(run: ClaimedRun) -> None:
    with run.connection.begin():
        late = pins_without_effect(
            run.connection, id_scope=run.claim.source.id_scope, pins=run.plan.pins
        )
    if late:
        logged = dict(sorted(late.items())[:MAX_LOGGED_PINS])
        log.warning(
            "pins without effect: these ids were other coins before they were pinned",
            extra={"pins": logged, "count": len(late)},
        )


def _summarize(counts: Counts, drifts: Sequence[Drift]) -> str:
    if not counts.processed:
        return "Nothing new since the last run"
    text = f"{counts.loaded} loaded, {counts.unchanged} unchanged, {counts.rejected} rejected"
    if drifts:
        changes = ", ".join(f"{drift.field} {drift.change}" for drift in drifts[:3])
        text += f"; the upstream's shape changed: {changes}"
    return text


LOAD = RunKind(
    compose=_compose,
    summarize=_summarize,
    stop_message="Stopped by a signal after its last whole page; the next run goes on from there",
    reads_upstream=True,
)
"""A run that loads from the upstream."""
