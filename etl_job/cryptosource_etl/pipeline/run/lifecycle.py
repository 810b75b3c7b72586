"""One run, from the claim to the last word in its row."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from opentelemetry.context import Context
from opentelemetry.trace import Link
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock, Stopped
from cryptosource_etl.errors import Retryable, RunError
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.identity.pins import pins_without_effect
from cryptosource_etl.pipeline.load.page_loader import Batch, Counts, PageLoader
from cryptosource_etl.pipeline.observe.shape_drift import Drift, ShapeTracker, record_drift
from cryptosource_etl.pipeline.observe.upstream_inventory import UpstreamInventory, record_listing
from cryptosource_etl.pipeline.prepare.page_preparation import PagePreparer, PreparedPage
from cryptosource_etl.pipeline.prepare.pipelined_preparation import (
    LookUpSession,
    PipelinedPreparation,
)
from cryptosource_etl.pipeline.prepare.prefetch import Prefetch
from cryptosource_etl.pipeline.run.claim import (
    Claim,
    Skipped,
    SourceIdentity,
    claim_source,
    release_source,
)
from cryptosource_etl.pipeline.run.database_errors import RETRY_AT_ONCE, as_run_error, sqlstate
from cryptosource_etl.pipeline.run.final_update import end_on_new_session, end_run
from cryptosource_etl.pipeline.run.heartbeat import Heartbeat
from cryptosource_etl.pipeline.run.outcome import RunOutcome, failed, succeeded, terminated
from cryptosource_etl.records import Page
from cryptosource_etl.run_spans import page_span, run_span, trace_id_of
from cryptosource_etl.settings import RunSettings
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.reasons import Reason, RunStatus
from cryptosource_telemetry.json_logs import log_fields

log = logging.getLogger(__name__)

LATE_PINS_SHOWN = 10

ATTEMPTS_PER_PAGE = 3
"""A page that lost a deadlock goes again; a third time it fails the run."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Told after each committed page."""

    counts: Counts
    total: int | None


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What to run, and how carefully."""

    source: SourceIdentity
    open_reader: Callable[[], SourceReader]
    """Called once the source is claimed; may raise a `RunError`."""
    usage: Callable[[], Usage]
    """What the network client has done so far."""
    reject_limit_percent: float
    pins: dict[str, str]
    settings: RunSettings
    deadline_seconds: float | None = None
    """The run ends as `DeadlineExceeded` after that; None leaves it to the Job."""
    parent: Context | None = None
    """The trace this run belongs to."""
    links: tuple[Link, ...] = ()
    """What else its span points at."""
    on_progress: Callable[[Progress], None] = lambda _: None
    release: Callable[[], None] = lambda: None
    """Called at the very end, to let go of what was opened for this run alone."""


class Run:
    """One run of one source on one database session.

    Args:
        plan: what to run.
        engine: gives a session of its own (`session_engine`).
        clock: time and sleeping.
        stop: set when the process is to end; the page in hand is finished first.
    """

    def __init__(
        self, plan: RunPlan, *, engine: Engine, clock: Clock, stop: threading.Event
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._clock = clock
        self._liveness = Heartbeat(stop, clock, deadline_seconds=plan.deadline_seconds)
        self._committed = 0
        self._claim: Claim | None = None
        self._loader: PageLoader | None = None
        self._drifts: tuple[Drift, ...] = ()

    def execute(self) -> RunOutcome:
        """Run to the end. Never raises for anything a run can meet; the outcome says it."""
        source = self._plan.source
        name = f"{source.namespace}/{source.name}"
        plan = self._plan
        with run_span(name, source.source_type, plan.parent, plan.links) as span:
            trace_id = trace_id_of(span)
            with log_fields(source=name, source_type=source.source_type, trace_id=trace_id):
                outcome = self._execute(trace_id)
                outcome = replace(
                    outcome,
                    counts=self._loader.totals if self._loader else Counts(),
                    records_committed=self._committed,
                    drifts=self._drifts,
                    seconds=self._liveness.seconds,
                    trace_id=trace_id,
                )
                _log_outcome(outcome)
            span.set_attribute("cryptosource.run_id", str(outcome.run_id))
            span.set_attribute("cryptosource.status", outcome.status)
            span.set_attribute("cryptosource.reason", outcome.reason)
            return outcome

    def _execute(self, trace_id: str | None) -> RunOutcome:
        try:
            with self._engine.connect() as connection:
                return self._claimed(connection, trace_id)
        except Stopped:  # while it waited for a silent holder to go
            return terminated(None)
        except DBAPIError as error:
            return self._lost_database(error)
        finally:
            self._plan.release()

    def _claimed(self, connection: Connection, trace_id: str | None) -> RunOutcome:
        claim = claim_source(
            connection,
            self._plan.source,
            self._plan.settings,
            clock=self._clock,
            trace_id=trace_id,
        )
        if isinstance(claim, Skipped):
            return RunOutcome(
                status=RunStatus.SKIPPED,
                reason=claim.reason,
                message=claim.message,
                exit_code=0,
                run_id=claim.run_id,
            )
        self._claim = claim
        self._committed = claim.records_committed
        with log_fields(run_id=str(claim.run_id)):
            log.info("run started", extra={"attempt": claim.attempt})
            self._plan.settings.crash_points.reach("claimed")
            outcome = self._load_all(connection, claim)
            end_run(connection, claim, outcome, self._plan.usage())
            release_source(connection, claim.source_id)
            self._plan.settings.crash_points.reach("finished")
        return outcome

    def _load_all(self, connection: Connection, claim: Claim) -> RunOutcome:
        """Load every page; return how it ended. Only database errors that end it are raised."""
        try:
            reader = self._plan.open_reader()
            try:
                self._load_pages(connection, claim, reader)
            finally:
                reader.close()
        except Stopped:
            return terminated(claim.run_id)
        except RunError as error:
            return failed(claim.run_id, error)
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("a run met an error that nobody foresaw")
            kind = type(error).__name__
            unforeseen = Retryable(Reason.INTERNAL_ERROR, f"Unforeseen {kind}; see the run's log")
            return failed(claim.run_id, unforeseen)
        return self._succeeded(claim)

    def _succeeded(self, claim: Claim) -> RunOutcome:
        counts = self._loader.totals if self._loader else Counts()
        return succeeded(claim.run_id, counts, self._drifts)

    def _load_pages(self, connection: Connection, claim: Claim, reader: SourceReader) -> None:
        settings = self._plan.settings
        self._loader = loader = PageLoader(
            connection,
            claim,
            reader,
            pins=self._plan.pins,
            clock=self._clock,
            crash_points=settings.crash_points,
            reject_limit_percent=self._plan.reject_limit_percent,
        )
        loader.prepare()
        self._tell_of_late_pins(connection, claim)
        tracker, listing = ShapeTracker(reader), UpstreamInventory()
        prefetch = Prefetch(
            lambda: self._prepared_pages(claim, reader, loader),
            idle_seconds=settings.idle_check_seconds,
            on_idle=self._liveness.pulse(
                connection,
                claim,
                self._plan.usage,
                every_seconds=settings.heartbeat_seconds,
            ),
        )
        try:
            with prefetch as pages:
                self._consume(pages, tracker, listing)
        finally:
            prefetch.join(settings.shutdown_seconds)
        settings.crash_points.reach("pages-done")
        self._drifts = tuple(record_drift(connection, claim, tracker))
        record_listing(connection, claim, listing)

    def _tell_of_late_pins(self, connection: Connection, claim: Claim) -> None:
        with connection.begin():
            late = pins_without_effect(
                connection, id_scope=claim.source.id_scope, pins=self._plan.pins
            )
        if late:
            shown = dict(sorted(late.items())[:LATE_PINS_SHOWN])
            log.warning(
                "pins without effect: these ids were other coins before they were pinned",
                extra={"pins": shown, "count": len(late)},
            )

    def _prepared_pages(
        self, claim: Claim, reader: SourceReader, loader: PageLoader
    ) -> Iterator[tuple[Page, PreparedPage]]:
        """Yield pages ready to be committed; runs in the extracting thread."""
        session = LookUpSession(self._engine)
        preparer = PagePreparer(claim, reader, pinned=self._plan.pins, lend=session.lend)
        ahead = PipelinedPreparation(preparer, committed=lambda: loader.pages_committed)
        pages = reader.pages(claim.cursor)
        try:
            yield from ahead.prepare(pages)
        finally:
            session.close()
            close = getattr(pages, "close", None)
            if close is not None:
                close()

    def _consume(
        self,
        pages: Iterable[tuple[Page, PreparedPage | None]],
        *observers: ShapeTracker | UpstreamInventory,
    ) -> None:
        for page, prepared in pages:
            self._liveness.check()
            self._plan.settings.crash_points.reach("page-received")
            for observer in observers:
                observer.observe(page)
            if page.starts_pass:
                self._committed = 0
            self._load_page(page, prepared)
            self._liveness.check()

    def _load_page(self, page: Page, prepared: PreparedPage | None) -> None:
        """Load a page, or the part of it that FAIL_AFTER_N_RECORDS still allows."""
        assert self._loader is not None  # noqa: S101 - set before the first page
        allowed = self._plan.settings.fail_after_records
        count = len(page.records)
        if allowed is not None:
            count = min(count, allowed - self._loader.totals.processed)
        usage = self._plan.usage()
        batch = Batch(
            records=page.records[:count],
            received_at=page.received_at,
            cursor=page.cursor_after(count),
            records_committed=self._committed + count,
            records_total=page.total,
            requests=usage.requests,
            retries=usage.retries,
            prepared=prepared if count == len(page.records) else None,
        )
        with page_span(count) as span:
            counts = self._load_batch(batch)
            span.set_attribute("cryptosource.loaded", counts.loaded)
            span.set_attribute("cryptosource.rejected", counts.rejected)
        self._committed += count
        self._plan.on_progress(Progress(counts=self._loader.totals, total=page.total))
        if allowed is not None and self._loader.totals.processed >= allowed:
            raise Retryable(
                Reason.INJECTED_FAILURE,
                f"FAIL_AFTER_N_RECORDS={allowed}: {allowed} records are committed, as asked",
            )

    def _load_batch(self, batch: Batch) -> Counts:
        assert self._loader is not None  # noqa: S101 - set before the first page
        for attempt in range(1, ATTEMPTS_PER_PAGE + 1):
            try:
                return self._loader.load(batch)
            except DBAPIError as error:
                if sqlstate(error) not in RETRY_AT_ONCE or attempt == ATTEMPTS_PER_PAGE:
                    raise
                log.warning("a page lost a deadlock and goes again", extra={"attempt": attempt})
        raise AssertionError("the last attempt returns or raises")

    def _lost_database(self, error: DBAPIError) -> RunOutcome:
        """Say what the database did, and write it down if a new session can be had."""
        failure = as_run_error(error)
        outcome = failed(self._claim.run_id if self._claim else None, failure)
        if self._claim is not None:
            end_on_new_session(self._engine, self._claim, outcome, self._plan.usage())
        return outcome


_LEVELS = {RunStatus.FAILURE: logging.ERROR, RunStatus.INTERRUPTED: logging.WARNING}


def _log_outcome(outcome: RunOutcome) -> None:
    level = _LEVELS.get(outcome.status, logging.INFO)
    fields = {
        "run_id": str(outcome.run_id),
        "status": outcome.status,
        "reason": outcome.reason,
        "loaded": outcome.counts.loaded,
        "unchanged": outcome.counts.unchanged,
        "rejected": outcome.counts.rejected,
        "seconds": round(outcome.seconds, 3),
        "exit_code": outcome.exit_code,
    }
    log.log(level, "run ended: %s", outcome.message, extra=fields)
