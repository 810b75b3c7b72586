"""Judge stored raw records again, by the source's present rules, without calling the upstream.

A replay is a run like any other: it claims the source, writes pages, and can be interrupted. It
leaves the checkpoint and the accepted shape alone, and always starts with the newest record, since
a page that is right already costs next to nothing. What was stored over months is no pass over the
upstream, so nothing is concluded from its shape or its list of ids.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptosource_etl.pipeline.replay.replay_loader import ReplayLoader
from cryptosource_etl.pipeline.replay.stored_pages import StoredPages
from cryptosource_etl.pipeline.run.flow import Flow
from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.pipeline.run.plan import ClaimedRun, RunKind
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
    return Flow(
        source=StoredPages(run.engine, run.claim, batch_size=BATCH_SIZE),
        sink=loader,
        records_committed=0,
    )


def _summary(counts: Counts, _: Sequence[Drift]) -> str:
    if not counts.processed:
        return "Nothing is stored of this source, so there is nothing to judge again"
    return (
        f"{counts.processed} stored records judged again: {counts.loaded} changed, "
        f"{counts.unchanged} unchanged, {counts.rejected} rejected"
    )


REPLAY = RunKind(
    compose=_compose,
    summary=_summary,
    stopped="Stopped by a signal after its last whole page; replay again to finish",
    asks_upstream=False,
    trigger=Trigger.REPLAY,  # it brings no new data, so it keeps nothing fresh
)
"""A run whose upstream is the raw table."""
