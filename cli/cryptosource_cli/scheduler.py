"""The scheduler of `up`: runs sources on their schedules, as CronJobs do in a cluster."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry.context import Context

from cryptosource_cli.manifest_files import LoadedSource
from cryptosource_crd.schedule import next_run
from cryptosource_etl.clock import Clock, Stopped
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.settings import RunSettings
from cryptosource_telemetry.trace_context import parent_of

log = logging.getLogger(__name__)

MAX_RUNS_AT_ONCE = 4
"""Runs that are made at the same time; others wait."""

# A sleep counts the monotonic clock, which stands still while a laptop sleeps. Short sleeps notice
# soon that a due time has passed.
MAX_SLEEP_SECONDS = 60.0
"""Longest sleep before the time is read again."""

Start = Callable[[LoadedSource, RunSettings, Context | None], RunOutcome]
"""Executes one run, in its trace, and returns the outcome."""


@dataclass(frozen=True, kw_only=True)
class RequestedRun:
    """A run that was requested."""

    loaded: LoadedSource
    job_name: str
    """The run's job name."""
    traceparent: str = ""
    """Trace context of the request; empty without one."""


class Scheduler:
    """Runs each source in a thread of its own: a first run at once, then one at each due time.

    A source is never run twice at the same time. Due times that pass during a run, or while the
    machine sleeps, are made up for by one run at most.

    Args:
        sources: the sources to run.
        start: executes a run.
        settings: settings of every run; the scheduler sets job name and trigger.
        clock: gives the time and waits; its `sleep` ends when the process is asked to stop.
        on_waiting: called with a source's next due time; None if it is suspended.
    """

    def __init__(
        self,
        sources: Sequence[LoadedSource],
        start: Start,
        *,
        settings: RunSettings,
        clock: Clock,
        on_waiting: Callable[[LoadedSource, datetime | None], None] = lambda *_: None,
    ) -> None:
        self._sources = sources
        self._start = start
        self._settings = settings
        self._clock = clock
        self._on_waiting = on_waiting
        self._turns = threading.BoundedSemaphore(MAX_RUNS_AT_ONCE)
        self._first: dict[tuple[str, str], RunOutcome] = {}
        self._first_done = {loaded.key: threading.Event() for loaded in sources}
        self._busy = {loaded.key: threading.Lock() for loaded in sources}
        self._threads: list[threading.Thread] = []

    def begin(self, *, once: bool) -> None:
        """Start the threads.

        Args:
            once: end each thread after its first run.
        """
        for loaded in self._sources:
            thread = threading.Thread(
                target=self._run_source,
                args=(loaded, once),
                name=f"source {loaded.key[1]}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def first_outcomes(self) -> dict[tuple[str, str], RunOutcome]:
        """Wait until every source that has a first run has made it, and return the outcomes.

        By then `on_waiting` has been called for each source that runs again.
        """
        for done in self._first_done.values():
            while not done.wait(timeout=0.2):  # short waits, so that Ctrl-C gets through
                pass
        return dict(self._first)

    def join(self, timeout_seconds: float) -> bool:
        """Wait for all threads to end; return whether they did."""
        deadline = self._clock.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run_source(self, loaded: LoadedSource, once: bool) -> None:
        done = self._first_done[loaded.key]
        try:
            spec = loaded.source.spec
            if not spec.suspend and (once or spec.run_on_create):
                self._first[loaded.key] = self._run(loaded, "create", None)
            if not once and not spec.suspend:
                self._follow_schedule(loaded)
            elif spec.suspend:
                self._on_waiting(loaded, None)
        except Stopped:
            log.info("schedule ended", extra={"source": "/".join(loaded.key)})
        finally:
            # After an error as well, or `first_outcomes` would wait for ever.
            done.set()

    def _follow_schedule(self, loaded: LoadedSource) -> None:
        spec = loaded.source.spec
        while True:
            due = next_run(spec.schedule, spec.time_zone, self._clock.now())
            self._on_waiting(loaded, due)
            self._first_done[loaded.key].set()
            while (left := (due - self._clock.now()).total_seconds()) > 0:
                self._clock.sleep(min(left, MAX_SLEEP_SECONDS))
            if -left > spec.starting_deadline_seconds:
                log.warning("a due time was missed by too much and is left out")
                continue
            self._run(loaded, "schedule", due)

    def _run(self, loaded: LoadedSource, trigger: str, due: datetime | None) -> RunOutcome:
        settings = replace(
            self._settings,
            trigger=trigger,
            job_name=_job_name(loaded, self._settings, due),
        )
        return self._start_in_turn(loaded, settings)

    def run_now(self, requested: RequestedRun) -> RunOutcome:
        """Make a requested run, after the source's run under way has ended."""
        settings = replace(self._settings, trigger="api", job_name=requested.job_name)
        return self._start_in_turn(requested.loaded, settings, parent_of(requested.traceparent))

    def _start_in_turn(
        self, loaded: LoadedSource, settings: RunSettings, parent: Context | None = None
    ) -> RunOutcome:
        with self._busy[loaded.key], self._turns:
            return self._start(loaded, settings, parent)


def _job_name(loaded: LoadedSource, settings: RunSettings, due: datetime | None) -> str:
    """Return the job name of a run: for a due time the name that the CronJob controller gives it."""
    # Two processes on one database give one name to one due time, and only one of them runs it.
    name = loaded.key[1]
    if due is None:
        return f"{name}-{settings.job_name}"
    return f"{name}-{int(due.timestamp()) // 60}"
