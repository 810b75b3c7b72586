"""The run that replays: judge stored raw records again by the source's current rules.

A replay is a run like any other: it claims the source, writes pages, and can be interrupted. It
leaves the checkpoint, the accepted shape and the inventory alone, and does not call the upstream.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptosource_etl.pipeline.replay.replay_loader import ReplayLoader
from cryptosource_etl.pipeline.replay.stored_pages import StoredPages
from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.pipeline.run.plan import ClaimedRun, RunKind
from cryptosource_etl.pipeline.run.ports import Flow
from cryptosource_store.reasons import Trigger

BATCH_SIZE = 1000
"""Records per transaction; a spec's `batchSize` is about its upstream."""


def _compose(run: ClaimedRun) -> Flow[None]:
    loader = ReplayLoader(
        run.connection,
        run.claim,
        run.reader,
        pins=run.plan.pins,
        clock=run.clock,
        crash_points=run.plan.settings.crash_points,
        reject_limit_percent=run.plan.reject_limit_percent,
    )
    loader.prepare()
    # No observer: what was stored over months is no pass over the upstream, and nothing follows
    # from its shape or its ids.
    return Flow(
        source=StoredPages(run.engine, run.claim, batch_size=BATCH_SIZE),
        sink=loader,
        # Always from the newest record on: a page that is right already costs next to nothing.
        records_committed=0,
    )


def _summarize(counts: Counts, _: Sequence[Drift]) -> str:
    if not counts.processed:
        return "Nothing is stored of this source, so there is nothing to judge again"
    return (
        f"{counts.processed} stored records judged again: {counts.loaded} changed, "
        f"{counts.unchanged} unchanged, {counts.rejected} rejected"
    )


REPLAY = RunKind(
    compose=_compose,
    summarize=_summarize,
    stop_message="Stopped by a signal after its last whole page; replay again to finish",
    reads_upstream=False,
    # A replay brings no new data, so it must not count as a run that keeps a source fresh.
    trigger=Trigger.REPLAY,
)
"""A run that reads stored raw records instead of the upstream."""
