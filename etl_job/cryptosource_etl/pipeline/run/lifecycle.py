"""Execute one run, from the claim to the outcome in its row."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock, Stopped
from cryptosource_etl.errors import Retryable, RunError
from cryptosource_etl.pipeline.run.claim import (
    Claim,
    Skipped,
    claim_source,
    finish_on_new_session,
    finish_run,
    release_source,
)
from cryptosource_etl.pipeline.run.database_errors import RETRY_AT_ONCE, as_run_error, sqlstate
from cryptosource_etl.pipeline.run.heartbeat import Heartbeat
from cryptosource_etl.pipeline.run.outcome import (
    Counts,
    Drift,
    RunOutcome,
    failed,
    succeeded,
    terminated,
)
from cryptosource_etl.pipeline.run.plan import ClaimedRun, Progress, RunPlan
from cryptosource_etl.pipeline.run.ports import Batch, Flow, PageSink, PreparedT
from cryptosource_etl.records import Page
from cryptosource_etl.run_spans import page_span, run_span, trace_id_of
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.reasons import Reason, RunStatus
from cryptosource_telemetry.json_logs import log_fields

log = logging.getLogger(__name__)

ATTEMPTS_PER_PAGE = 3
"""How often a page is loaded that loses a deadlock each time, before the run fails."""


class Run:
    """One run of one source on one database session: moves pages from its source into its sink.

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
        self._heartbeat = Heartbeat(stop, clock, deadline_seconds=plan.deadline_seconds)
        self._committed = 0
        self._claim: Claim | None = None
        self._sink: PageSink[Any] | None = None
        self._drifts: tuple[Drift, ...] = ()

    def execute(self) -> RunOutcome:
        """Run to the end and return the outcome; failures are outcomes too, not exceptions."""
        source = self._plan.source
        name = f"{source.namespace}/{source.name}"
        plan = self._plan
        with run_span(name, source.source_type, plan.parent, plan.links) as span:
            trace_id = trace_id_of(span)
            with log_fields(source=name, source_type=source.source_type, trace_id=trace_id):
                outcome = self._execute(trace_id)
                outcome = replace(
                    outcome,
                    counts=self._totals,
                    records_committed=self._committed,
                    drifts=self._drifts,
                    seconds=self._heartbeat.seconds,
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
                return self._run_on(connection, trace_id)
        except Stopped:
            # During the wait of a takeover: there is no claim and no run row yet.
            return terminated(None, self._plan.kind.stop_message)
        except DBAPIError as error:
            return self._end_by_database_error(error)
        finally:
            self._plan.release()

    def _run_on(self, connection: Connection, trace_id: str | None) -> RunOutcome:
        settings, trigger = self._plan.settings, self._plan.kind.trigger
        claim = claim_source(
            connection,
            self._plan.source,
            settings if trigger is None else replace(settings, trigger=trigger),
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
            # Outcome before lock: the run that gets the lock marks every row that still says
            # `running` as interrupted.
            finish_run(connection, claim, outcome, self._plan.usage())
            release_source(connection, claim.source_id)
            self._plan.settings.crash_points.reach("finished")
        return outcome

    def _load_all(self, connection: Connection, claim: Claim) -> RunOutcome:
        """Load every page; return the outcome.

        Raises:
            DBAPIError: the session is of no more use, not even to store an outcome.
        """
        kind = self._plan.kind
        try:
            reader = self._plan.open_reader()
            try:
                self._load_pages(kind.compose(self._claimed_run(connection, claim, reader)))
            finally:
                reader.close()
        except Stopped:
            return terminated(claim.run_id, kind.stop_message)
        except RunError as error:
            return failed(claim.run_id, error)
        except DBAPIError:
            raise
        except Exception as error:
            # A bug of a plugin or of ours ends the run like any failure; otherwise its row would
            # stay `running` until the next run. The error's text goes to the log alone: it may
            # quote a record.
            log.exception("a run failed with an unexpected error")
            name = type(error).__name__
            unexpected = Retryable(Reason.INTERNAL_ERROR, f"Unexpected {name}; see the run's log")
            return failed(claim.run_id, unexpected)
        counts = self._totals
        return succeeded(claim.run_id, counts, kind.summarize(counts, self._drifts))

    @property
    def _totals(self) -> Counts:
        return self._sink.totals if self._sink is not None else Counts()

    def _claimed_run(
        self, connection: Connection, claim: Claim, reader: SourceReader
    ) -> ClaimedRun:
        pulse = self._heartbeat.pulse(
            connection,
            claim,
            self._plan.usage,
            every_seconds=self._plan.settings.heartbeat_seconds,
        )
        return ClaimedRun(
            plan=self._plan,
            claim=claim,
            reader=reader,
            connection=connection,
            engine=self._engine,
            clock=self._clock,
            pulse=pulse,
        )

    def _load_pages(self, flow: Flow[PreparedT]) -> None:
        reach = self._plan.settings.crash_points.reach
        self._sink = flow.sink
        self._committed = flow.records_committed
        with flow.source.open() as pages:
            for page, prepared in pages:
                # Before the page, so that a run that must end does not load one more; and after it,
                # so that it does not wait for another one first.
                self._heartbeat.check()
                reach("page-received")
                if flow.observer is not None:
                    flow.observer.observe(page)
                if page.starts_pass:
                    self._committed = 0
                self._load_page(flow.sink, page, prepared)
                self._heartbeat.check()
        reach("pages-done")
        # Only now: a run that is cut off has seen a part of the upstream, from which nothing follows.
        if flow.observer is not None:
            self._drifts = tuple(flow.observer.record())

    def _load_page(self, sink: PageSink[PreparedT], page: Page, prepared: PreparedT | None) -> None:
        """Load a page, or the part of it that FAIL_AFTER_N_RECORDS still allows."""
        allowed = self._plan.settings.fail_after_records
        count = len(page.records)
        if allowed is not None:
            count = min(count, allowed - sink.totals.processed)
        usage = self._plan.usage()
        batch = Batch(
            records=page.records[:count],
            received_at=page.received_at,
            cursor=page.cursor_after(count),
            records_committed=self._committed + count,
            records_total=page.total,
            requests=usage.requests,
            retries=usage.retries,
            # What was prepared is of the whole page, and cannot be cut with its records.
            prepared=prepared if count == len(page.records) else None,
        )
        with page_span(count) as span:
            counts = _load_batch(sink, batch)
            span.set_attribute("cryptosource.loaded", counts.loaded)
            span.set_attribute("cryptosource.rejected", counts.rejected)
        self._committed += count
        self._plan.on_progress(Progress(counts=sink.totals, total=page.total))
        if allowed is not None and sink.totals.processed >= allowed:
            raise Retryable(
                Reason.INJECTED_FAILURE,
                f"FAIL_AFTER_N_RECORDS={allowed}: {allowed} records are committed, as asked",
            )

    def _end_by_database_error(self, error: DBAPIError) -> RunOutcome:
        """Return the outcome of a run whose session failed; store it on a new session."""
        failure = as_run_error(error)
        outcome = failed(self._claim.run_id if self._claim else None, failure)
        if self._claim is not None:
            finish_on_new_session(self._engine, self._claim, outcome, self._plan.usage())
        return outcome


def _load_batch(sink: PageSink[PreparedT], batch: Batch[PreparedT]) -> Counts:
    for attempt in range(1, ATTEMPTS_PER_PAGE + 1):
        try:
            return sink.load(batch)
        except DBAPIError as error:
            # Safe to repeat without a wait: the whole transaction was rolled back, and the rival
            # that won has the locks it needs.
            if sqlstate(error) not in RETRY_AT_ONCE or attempt == ATTEMPTS_PER_PAGE:
                raise
            log.warning("a page lost a deadlock and is loaded again", extra={"attempt": attempt})
    raise AssertionError("the last attempt returns or raises")


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
