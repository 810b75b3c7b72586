"""The reconciler: applies a source's CronJob, answers run requests, writes the status.

Level-based: it compares the present state with the wanted one and never replays events, so it may be
called at any time, twice, by two operators, or again after a crash at any point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.api_client import CONFLICT, NOT_FOUND, ApiClient, ApiError
from cryptosource_operator.clock import Clock, parse_time
from cryptosource_operator.cronjob_applier import ApplyResult, CronJobApplier
from cryptosource_operator.event_recorder import EventDraft, EventRecorder, status_events
from cryptosource_operator.kinds import SOURCE
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import CREATE_TOKEN, GROUP, PLURAL, VERSION
from cryptosource_operator.object_diff import merge_patch
from cryptosource_operator.observed_state import ObservedState, condition_of
from cryptosource_operator.pod_inspector import PodInspector, job_to_inspect
from cryptosource_operator.reconcile_tracing import trace_operation
from cryptosource_operator.requested_runs import (
    JOB_REFUSED,
    REFUSALS,
    RequestedRuns,
    pending_run,
    request_traceparent,
)
from cryptosource_operator.run_history_cache import RunHistoryCache
from cryptosource_operator.settings import OperatorSettings
from cryptosource_operator.source_facts import HistoryFacts, PodTrouble
from cryptosource_operator.source_parser import Readable, Unreadable, read_source, shorten
from cryptosource_operator.status import has_new_facts, summarize
from cryptosource_operator.watch_cache import WatchCache

# The watch is about to deliver the version that made the write a conflict.
CONFLICT_SECONDS = 1.0
"""Pause before a status is written again after a conflict."""
LATER_SECONDS = 60.0
"""Pause while something that a person has to change stands in the way."""
WAITING_SECONDS = 2.0
"""Pause while the CronJob of an earlier resource of that name is being deleted."""
# The CronJob controller has made the Job by then, or will not make it.
TICK_SECONDS = 5.0
"""Pause after the time at which a run was due."""


@dataclass(kw_only=True, eq=False)
class Reconciler:
    """Reconciles sources; one source never twice at a time, which the work queue guarantees."""

    api: ApiClient
    cache: WatchCache
    histories: RunHistoryCache
    applier: CronJobApplier
    requested_runs: RequestedRuns
    pods: PodInspector
    events: EventRecorder
    metrics: Metrics
    clock: Clock
    settings: OperatorSettings
    _written_at: dict[str, float] = field(default_factory=dict, init=False)
    """uid -> when its status was last written, by the monotonic clock."""
    _ready: dict[str, str] = field(default_factory=dict, init=False)
    """uid -> the status of its condition Ready, as the metric counts it."""
    _readings: dict[str, tuple[int, Readable | Unreadable]] = field(
        default_factory=dict, init=False
    )
    """uid -> generation and what its spec was parsed to."""

    async def __call__(self, uid: str) -> float | None:
        """Reconcile a source.

        Returns:
            Seconds after which to call again; None: not before something changes.

        Raises:
            ApiError: the API server refused a request for now; the queue retries.
            ApiUnreachableError: no answer came.
        """
        began = self.clock.monotonic()
        body = self.cache.sources.get(uid)
        if body is None:
            await self._gone(uid)
            return None
        if "deletionTimestamp" in body["metadata"]:
            # Its children are deleted with it: what is applied now would only be collected again.
            return None
        meta = body["metadata"]
        source = f"{meta['namespace']}/{meta['name']}"
        try:
            with trace_operation(
                "operator.reconcile", parent=request_traceparent(body), source=source
            ):
                after = await self._reconcile(uid, body)
        except Exception:
            self.metrics.reconciles.labels("error").inc()
            raise
        self.metrics.reconciles.labels("success").inc()
        self.metrics.reconcile_seconds.observe(self.clock.monotonic() - began)
        return after

    async def _reconcile(self, uid: str, body: Mapping[str, Any]) -> float | None:
        reading = self._read(uid, body)
        source = reading.source if isinstance(reading, Readable) else None
        applied = ApplyResult(cronjob=self.cache.cronjob(uid))
        if source is not None:
            applied = await self.applier.apply(source)
        handled, refused = await self._answer_request(body, source, applied)
        history = await self.histories.get(uid, source)
        state = ObservedState(
            generation=body["metadata"].get("generation", 0),
            reading=reading,
            now=self.clock.now(),
            old=body.get("status") or {},
            cronjob=applied.cronjob,
            refusal=applied.refusal,
            history=history,
            jobs=self.cache.jobs(uid),
            handled=handled,
        )
        trouble = refused or await self._pod_trouble(body, state.now, history)
        state = replace(state, trouble=trouble)
        if applied.event is not None:
            self.events.record(body, applied.event)
        postponed = await self._write(uid, body, state)
        delays = [postponed, *self._delays(state)]
        return min((delay for delay in delays if delay is not None), default=None)

    def _read(self, uid: str, body: Mapping[str, Any]) -> Readable | Unreadable:
        """Return the parsed spec; each generation is parsed once."""
        generation = body["metadata"].get("generation", 0)
        known = self._readings.get(uid)
        if known is None or known[0] != generation:
            known = self._readings[uid] = (generation, read_source(body))
        return known[1]

    async def _answer_request(
        self, body: Mapping[str, Any], source: CryptoSource | None, applied: ApplyResult
    ) -> tuple[str, PodTrouble | None]:
        """Create the Job of an open run request, if there is one.

        Returns:
            The last request that was answered, and why the API server refused the open one.
        """
        handled = str((body.get("status") or {}).get("lastHandledRunRequest", ""))
        if source is None or applied.cronjob is None or applied.refusal is not None:
            return handled, None
        wanted = pending_run(body, source, applied.cronjob)
        if wanted is None:
            return handled, None
        token, trigger = wanted
        run = self.requested_runs.run
        try:
            name = await run(applied.cronjob, token=token, trigger=trigger)
        except ApiError as error:
            if error.code not in REFUSALS:
                raise
            # A quota or an admission policy refuses this Job: the rest of the reconcile goes on.
            words = shorten(error.message)
            return handled, PodTrouble(job_name="", reason=JOB_REFUSED, message=words)
        if trigger != CREATE_TOKEN:
            words = f"Job {name} was made for the request '{token}'"
            event = EventDraft(reason="RunRequested", message=words)
            self.events.record(body, event)
        return token, None

    async def _pod_trouble(
        self, body: Mapping[str, Any], now: datetime, history: HistoryFacts | None
    ) -> PodTrouble | None:
        meta = body["metadata"]
        job = job_to_inspect(self.cache.jobs(meta["uid"]), history, now)
        return None if job is None else await self.pods.trouble(meta["namespace"], job)

    async def _write(self, uid: str, body: Mapping[str, Any], state: ObservedState) -> float | None:
        """Write the status if it changed; return the seconds until it may be written, else None."""
        new = summarize(state)
        self._count(uid, new)
        patch = merge_patch(state.old, new)
        if not patch:
            return None
        since = self.clock.monotonic() - self._written_at.get(uid, float("-inf"))
        distance = self.settings.status_seconds
        # Counts of a run under way change with every page: without a least distance each page would
        # be a write to the API server, and an event for every client that watches.
        if since < distance and not has_new_facts(state.old, new):
            return distance - since
        meta = body["metadata"]
        # A precondition: the patch is the difference to this version and to no other.
        version = {"resourceVersion": meta["resourceVersion"]}
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{meta['namespace']}/{PLURAL}/{meta['name']}"
        try:
            stored = await self.api.merge(f"{path}/status", {"metadata": version, "status": patch})
        except ApiError as error:
            if error.code == NOT_FOUND:
                return None
            if error.code == CONFLICT:
                return CONFLICT_SECONDS
            raise
        self.cache.put(SOURCE, stored)
        self._written_at[uid] = self.clock.monotonic()
        self._measure(state.old, new)
        for event in status_events(state.old, new):
            self.events.record(body, event)
        return None

    def _delays(self, state: ObservedState) -> list[float | None]:
        """Return the seconds after which the status may change without any event."""
        now, settings = state.now, self.settings
        moments = [
            state.stale_at and state.stale_at + timedelta(seconds=1),
            state.next_run_at and state.next_run_at + timedelta(seconds=TICK_SECONDS),
        ]
        delays: list[float | None] = [
            max(0.0, (moment - now).total_seconds()) for moment in moments if moment
        ]
        run = state.latest
        if state.busy and (run is None or run.finished_at is not None):
            # The longer a pod has not started, the less often it is looked at.
            age = min((now - job.created_at).total_seconds() for job in state.jobs if job.active)
            delays.append(min(max(settings.pod_check_seconds, age / 2), LATER_SECONDS))
        if state.trouble is not None and state.trouble.reason == JOB_REFUSED:
            delays.append(LATER_SECONDS)
        if state.history is None and settings.database is not None:
            delays.append(settings.pod_check_seconds)
        if state.refusal is not None:
            reason = state.refusal.reason
            delays.append(WAITING_SECONDS if reason == "Replacing" else LATER_SECONDS)
        return delays

    def _measure(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        finished = (new.get("lastRun") or {}).get("finishedAt")
        if finished and finished != (old.get("lastRun") or {}).get("finishedAt"):
            moment = parse_time(finished)
            if moment is not None:
                lag = (self.clock.now() - moment).total_seconds()
                self.metrics.mirror_lag.observe(max(0.0, lag))

    def _count(self, uid: str, status: Mapping[str, Any]) -> None:
        ready, before = condition_of(status, "Ready").get("status", "Unknown"), self._ready.get(uid)
        if ready != before:
            self._ready[uid] = ready
            self.metrics.sources.labels(ready).inc()
            if before is not None:
                self.metrics.sources.labels(before).dec()

    async def _gone(self, uid: str) -> None:
        """Retire a deleted source and drop what is kept of it."""
        # Only one that this operator has reconciled: another may be a source that a second operator
        # has seen before this one's watch delivered it.
        seen = uid in self._readings
        self._forget(uid)
        if seen:
            await self.histories.retire(uid)

    def _forget(self, uid: str) -> None:
        before = self._ready.pop(uid, None)
        if before is not None:
            self.metrics.sources.labels(before).dec()
        self._written_at.pop(uid, None)
        self._readings.pop(uid, None)
        self.applier.forget(uid)
        self.histories.forget(uid)
