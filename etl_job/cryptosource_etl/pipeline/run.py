"""One run, from the claim to the last word in its row."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from opentelemetry.context import Context
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock, Stopped
from cryptosource_etl.errors import Permanent, Retryable, RunError
from cryptosource_etl.http.counters import Usage
from cryptosource_etl.logs import log_fields
from cryptosource_etl.pipeline.claiming import Claim, Skipped, SourceIdentity, claim_source
from cryptosource_etl.pipeline.drift import Drift, ShapeTracker, record_drift
from cryptosource_etl.pipeline.ending import end_on_new_session, end_run
from cryptosource_etl.pipeline.failures import RETRY_AT_ONCE, as_run_error, sqlstate
from cryptosource_etl.pipeline.loading import Batch, Counts, PageLoader
from cryptosource_etl.pipeline.outcome import TERMINATED_EXIT_CODE, RunOutcome
from cryptosource_etl.pipeline.prefetch import Prefetch
from cryptosource_etl.records import Page
from cryptosource_etl.settings import RunSettings
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_etl.telemetry import page_span, run_span, trace_id_of
from cryptosource_store.reasons import Reason, RunStatus
from cryptosource_store.statements import claiming

log = logging.getLogger(__name__)

ATTEMPTS_PER_PAGE = 3
"""A page that lost a deadlock goes again; a third time it fails the run."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Told after each committed page."""

    counts: Counts
    total: int | None


@dataclass(frozen=True, kw_only=True)
class RunRequest:
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
    on_progress: Callable[[Progress], None] = lambda _: None


class Run:
    """One run of one source on one database session.

    Args:
        request: what to run.
        engine: gives a session of its own (`session_engine`).
        clock: time and sleeping.
        stop: set when the process is to end; the page in hand is finished first.
    """

    def __init__(
        self, request: RunRequest, *, engine: Engine, clock: Clock, stop: threading.Event
    ) -> None:
        self._request = request
        self._engine = engine
        self._clock = clock
        self._stop = stop
        self._started = clock.monotonic()
        self._committed = 0
        self._claim: Claim | None = None
        self._loader: PageLoader | None = None
        self._drifts: tuple[Drift, ...] = ()

    def execute(self) -> RunOutcome:
        """Run to the end. Never raises for anything a run can meet; the outcome says it."""
        source = self._request.source
        name = f"{source.namespace}/{source.name}"
        with run_span(name, source.source_type, self._request.parent) as span:
            trace_id = trace_id_of(span)
            with log_fields(source=name, source_type=source.source_type, trace_id=trace_id):
                outcome = self._execute(trace_id)
                outcome = replace(
                    outcome,
                    counts=self._loader.totals if self._loader else Counts(),
                    records_committed=self._committed,
                    drifts=self._drifts,
                    seconds=self._clock.monotonic() - self._started,
                    trace_id=trace_id,
                )
                _log_outcome(outcome)
            span.set_attribute("cryptosource.status", outcome.status)
            span.set_attribute("cryptosource.reason", outcome.reason)
            return outcome

    def _execute(self, trace_id: str | None) -> RunOutcome:
        try:
            with self._engine.connect() as connection:
                return self._claimed(connection, trace_id)
        except DBAPIError as error:
            return self._lost_database(error)

    def _claimed(self, connection: Connection, trace_id: str | None) -> RunOutcome:
        claim = claim_source(
            connection,
            self._request.source,
            self._request.settings,
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
            self._request.settings.crash_points.reach("claimed")
            outcome = self._load_all(connection, claim)
            end_run(connection, claim, outcome, self._request.usage())
            self._request.settings.crash_points.reach("finished")
        return outcome

    def _load_all(self, connection: Connection, claim: Claim) -> RunOutcome:
        """Load every page; return how it ended. Only database errors that end it are raised."""
        try:
            reader = self._request.open_reader()
            try:
                self._load_pages(connection, claim, reader)
            finally:
                reader.close()
        except Stopped:
            return _terminated(claim)
        except RunError as error:
            return _failed(claim, error)
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("a run met an error that nobody foresaw")
            kind = type(error).__name__
            unforeseen = Retryable(Reason.INTERNAL_ERROR, f"Unforeseen {kind}; see the run's log")
            return _failed(claim, unforeseen)
        return self._succeeded(claim)

    def _load_pages(self, connection: Connection, claim: Claim, reader: SourceReader) -> None:
        settings = self._request.settings
        self._loader = loader = PageLoader(
            connection,
            claim,
            reader,
            pins=self._request.pins,
            clock=self._clock,
            crash_points=settings.crash_points,
            reject_limit_percent=self._request.reject_limit_percent,
        )
        loader.prepare()
        tracker = ShapeTracker(reader)
        prefetch = Prefetch(
            lambda: reader.pages(claim.cursor),
            idle_seconds=settings.idle_check_seconds,
            on_idle=_Pulse(self, connection, claim, settings.heartbeat_seconds),
        )
        try:
            with prefetch as pages:
                self._consume(pages, tracker)
        finally:
            prefetch.join(settings.shutdown_seconds)
        settings.crash_points.reach("pages-done")
        self._drifts = tuple(record_drift(connection, claim, tracker))

    def _consume(self, pages: Generator[Page, None, None], tracker: ShapeTracker) -> None:
        for page in pages:
            self.check_deadlines()
            self._request.settings.crash_points.reach("page-received")
            tracker.observe(page)
            if page.starts_pass:
                self._committed = 0
            self._load_page(page)
            self.check_deadlines()

    def _load_page(self, page: Page) -> None:
        """Load a page, or the part of it that FAIL_AFTER_N_RECORDS still allows."""
        assert self._loader is not None  # noqa: S101 - set before the first page
        allowed = self._request.settings.fail_after_records
        count = len(page.records)
        if allowed is not None:
            count = min(count, allowed - self._loader.totals.processed)
        usage = self._request.usage()
        batch = Batch(
            records=page.records[:count],
            received_at=page.received_at,
            cursor=page.cursor_after(count),
            records_committed=self._committed + count,
            records_total=page.total,
            requests=usage.requests,
            retries=usage.retries,
        )
        with page_span(count) as span:
            counts = self._load_batch(batch)
            span.set_attribute("cryptosource.loaded", counts.loaded)
            span.set_attribute("cryptosource.rejected", counts.rejected)
        self._committed += count
        self._request.on_progress(Progress(counts=self._loader.totals, total=page.total))
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

    def check_deadlines(self) -> None:
        """Raise when the run must not go on: it was stopped, or its time is up."""
        if self._stop.is_set():
            raise Stopped
        limit = self._request.deadline_seconds
        if limit is not None and self._clock.monotonic() - self._started > limit:
            raise Retryable(
                Reason.DEADLINE_EXCEEDED,
                f"The run took longer than activeDeadlineSeconds={limit:g}; the next one goes on "
                "from the checkpoint",
            )

    def beat(self, connection: Connection, claim: Claim) -> None:
        """Show that the run is alive while it waits for its upstream."""
        usage = self._request.usage()
        row = {"run_id": claim.run_id, "requests": usage.requests, "retries": usage.retries}
        with connection.begin():
            alive = connection.execute(claiming.HEARTBEAT, row).rowcount
        if not alive:
            message = "Another run has taken this source over"
            raise Retryable(Reason.FENCED, message)

    @property
    def clock(self) -> Clock:
        """The run's clock."""
        return self._clock

    def _succeeded(self, claim: Claim) -> RunOutcome:
        counts = self._loader.totals if self._loader else Counts()
        reason = Reason.COMPLETED if counts.processed else Reason.NOT_MODIFIED
        return RunOutcome(
            status=RunStatus.SUCCESS,
            reason=reason,
            message=_summary(counts, self._drifts),
            exit_code=0,
            run_id=claim.run_id,
        )

    def _lost_database(self, error: DBAPIError) -> RunOutcome:
        """Say what the database did, and write it down if a new session can be had."""
        failure = as_run_error(error)
        outcome = RunOutcome(
            status=RunStatus.FAILURE,
            reason=failure.reason,
            message=failure.message,
            exit_code=failure.exit_code,
            run_id=self._claim.run_id if self._claim else None,
        )
        if self._claim is not None:
            end_on_new_session(self._engine, self._claim, outcome, self._request.usage())
        return outcome


class _Pulse:
    """Called while a run waits: checks whether to end, and beats when it is time to."""

    def __init__(
        self, run: Run, connection: Connection, claim: Claim, every_seconds: float
    ) -> None:
        self._run = run
        self._connection = connection
        self._claim = claim
        self._every_seconds = every_seconds
        self._last = run.clock.monotonic()

    def __call__(self) -> None:
        self._run.check_deadlines()
        now = self._run.clock.monotonic()
        if now - self._last >= self._every_seconds:
            self._last = now
            self._run.beat(self._connection, self._claim)


def _failed(claim: Claim, error: RunError) -> RunOutcome:
    return RunOutcome(
        status=RunStatus.FAILURE,
        reason=error.reason,
        message=error.message,
        exit_code=error.exit_code,
        run_id=claim.run_id,
        retry_after_seconds=_retry_after(error),
    )


def _retry_after(error: RunError) -> float | None:
    if isinstance(error, Permanent) or not isinstance(error, Retryable):
        return None
    return error.retry_after.total_seconds() if error.retry_after else None


def _terminated(claim: Claim) -> RunOutcome:
    return RunOutcome(
        status=RunStatus.INTERRUPTED,
        reason=Reason.TERMINATED,
        message="Stopped by a signal after its last whole page; the next run goes on from there",
        exit_code=TERMINATED_EXIT_CODE,
        run_id=claim.run_id,
    )


def _summary(counts: Counts, drifts: tuple[Drift, ...]) -> str:
    if not counts.processed:
        return "Nothing new since the last run"
    text = f"{counts.loaded} loaded, {counts.unchanged} unchanged, {counts.rejected} rejected"
    if drifts:
        changes = ", ".join(f"{drift.field} {drift.change}" for drift in drifts[:3])
        text += f"; the upstream's shape changed: {changes}"
    return text


def _log_outcome(outcome: RunOutcome) -> None:
    level = logging.INFO if outcome.exit_code == 0 else logging.ERROR
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
