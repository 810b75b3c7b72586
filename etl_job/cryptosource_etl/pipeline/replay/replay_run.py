"""Judge stored raw records again, by the source's present rules, without calling the upstream.

A replay is a run like any other: it claims the source, writes pages, and can be interrupted. It
leaves the checkpoint and the accepted shape alone, and always starts with the newest record, since
a page that is right already costs next to nothing.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from cryptosource_etl.pipeline.observe.shape_drift import ShapeTracker
from cryptosource_etl.pipeline.replay.replay_loader import ReplayLoader
from cryptosource_etl.pipeline.replay.stored_pages import StoredPages
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.lifecycle import Run
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.records import Page
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.reasons import Reason

BATCH_SIZE = 1000
"""Records per transaction; a spec's `batchSize` is about its upstream."""

REPLAY_TRIGGER = "replay"
"""What `etl_runs.trigger` says of a replay: it brings no new data, so it keeps nothing fresh."""


class ReplayRun(Run):
    """A run whose upstream is the raw table; arguments as for `Run`."""

    def _load_pages(self, connection: Connection, claim: Claim, reader: SourceReader) -> None:
        settings = self._plan.settings
        self._loader = ReplayLoader(
            connection,
            claim,
            reader,
            pins=self._plan.pins,
            clock=self._clock,
            crash_points=settings.crash_points,
            reject_limit_percent=self._plan.reject_limit_percent,
        )
        self._loader.prepare()
        self._committed = 0
        stored = StoredPages(self._engine, claim, batch_size=BATCH_SIZE)
        self._consume(((page, None) for page in stored.pages()), _NoShape(reader))
        settings.crash_points.reach("pages-done")

    def _load_all(self, connection: Connection, claim: Claim) -> RunOutcome:
        outcome = super()._load_all(connection, claim)
        if outcome.reason is Reason.TERMINATED:
            message = "Stopped by a signal after its last whole page; replay again to finish"
            return replace(outcome, message=message)
        return outcome

    def _succeeded(self, claim: Claim) -> RunOutcome:
        outcome = super()._succeeded(claim)
        counts = self._loader.totals if self._loader else None
        if counts is None or not counts.processed:
            message = "Nothing is stored of this source, so there is nothing to judge again"
        else:
            message = (
                f"{counts.processed} stored records judged again: {counts.loaded} changed, "
                f"{counts.unchanged} unchanged, {counts.rejected} rejected"
            )
        return replace(outcome, message=message)


class _NoShape(ShapeTracker):
    """Sees nothing: what was stored over months is no pass over the upstream."""

    def observe(self, page: Page) -> None:
        """Take nothing in."""
