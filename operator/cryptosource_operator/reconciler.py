"""One source, made right: its CronJob as planned, its requests answered, its status true.

Level-based: it looks at how things are and never at what happened, so it may be called at any time,
twice, by two operators, or again after it was killed anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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

CONFLICT_SECONDS = 1.0
"""After somebody else wrote first, the watch brings the new version; else it is read again then."""
LATER_SECONDS = 60.0
"""What has stood in the way for long is looked at again after that."""
WAITING_SECONDS = 2.0
"""An earlier resource's CronJob is looked at again after that."""
TICK_SECONDS = 5.0
"""After a run was due, its Job has been made or will not be."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a reconciler works with."""

    api: ApiClient
    cache: WatchCache
    histories: RunHistoryCache
    applier: CronJobApplier
    requester: RequestedRuns
    inspector: PodInspector
    recorder: EventRecorder
    metrics: Metrics
    clock: Clock
    settings: OperatorSettings


class Reconciler:
    """Makes sources right, one at a time each."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._written: dict[str, float] = {}
        self._ready: dict[str, str] = {}
        self._readings: dict[str, tuple[int, Readable | Unreadable]] = {}

    async def __call__(self, uid: str) -> float | None:
        """Look at a source.

        Returns:
            Seconds after which to look again; None: when something changes.

        Raises:
            ApiError: the API server could not do something now; it is tried again.
            ApiUnreachableError: it did not answer.
        """
        began = self._parts.clock.monotonic()
        body = self._parts.cache.sources.get(uid)
        if body is None:
            await self._gone(uid)
            return None
        if "deletionTimestamp" in body["metadata"]:
            return None
        meta = body["metadata"]
        source = f"{meta['namespace']}/{meta['name']}"
        try:
            with trace_operation(
                "operator.reconcile", parent=request_traceparent(body), source=source
            ):
                after = await self._reconcile(uid, body)
        except Exception:
            self._parts.metrics.reconciles.labels("error").inc()
            raise
        self._parts.metrics.reconciles.labels("success").inc()
        self._parts.metrics.reconcile_seconds.observe(self._parts.clock.monotonic() - began)
        return after

    async def _reconcile(self, uid: str, body: Mapping[str, Any]) -> float | None:
        parts = self._parts
        reading = self._read(uid, body)
        source = reading.source if isinstance(reading, Readable) else None
        applied = ApplyResult(cronjob=parts.cache.cronjob(uid))
        if source is not None:
            applied = await parts.applier.apply(source)
        handled, refused = await self._answered(body, source, applied)
        history = await parts.histories.get(uid, source)
        state = ObservedState(
            generation=body["metadata"].get("generation", 0),
            reading=reading,
            now=parts.clock.now(),
            old=body.get("status") or {},
            cronjob=applied.cronjob,
            refusal=applied.refusal,
            history=history,
            jobs=parts.cache.jobs(uid),
            handled=handled,
        )
        trouble = refused or await self._trouble(body, state.now, history)
        state = replace(state, trouble=trouble)
        if applied.event is not None:
            parts.recorder.record(body, applied.event)
        postponed = await self._write(uid, body, state)
        wishes = [postponed, *self._wishes(state)]
        return min((wish for wish in wishes if wish is not None), default=None)

    def _read(self, uid: str, body: Mapping[str, Any]) -> Readable | Unreadable:
        """Return what a spec says, parsed once for each generation."""
        generation = body["metadata"].get("generation", 0)
        known = self._readings.get(uid)
        if known is None or known[0] != generation:
            known = self._readings[uid] = (generation, read_source(body))
        return known[1]

    async def _answered(
        self, body: Mapping[str, Any], source: CryptoSource | None, applied: ApplyResult
    ) -> tuple[str, PodTrouble | None]:
        """Make the Job of an open request.

        Returns:
            The last request that was answered, and what the cluster has against the open one.
        """
        handled = str((body.get("status") or {}).get("lastHandledRunRequest", ""))
        if source is None or applied.cronjob is None or applied.refusal is not None:
            return handled, None
        wanted = pending_run(body, source, applied.cronjob)
        if wanted is None:
            return handled, None
        token, trigger = wanted
        run = self._parts.requester.run
        try:
            name = await run(applied.cronjob, token=token, trigger=trigger)
        except ApiError as error:
            if error.code not in REFUSALS:
                raise
            # A quota, an admission policy: it stands against this Job and nothing else.
            words = shorten(error.message)
            return handled, PodTrouble(job_name="", reason=JOB_REFUSED, message=words)
        if trigger != CREATE_TOKEN:
            words = f"Job {name} was made for the request '{token}'"
            event = EventDraft(reason="RunRequested", message=words)
            self._parts.recorder.record(body, event)
        return token, None

    async def _trouble(
        self, body: Mapping[str, Any], now: datetime, history: HistoryFacts | None
    ) -> PodTrouble | None:
        meta = body["metadata"]
        job = job_to_inspect(self._parts.cache.jobs(meta["uid"]), history, now)
        return None if job is None else await self._parts.inspector.trouble(meta["namespace"], job)

    async def _write(self, uid: str, body: Mapping[str, Any], state: ObservedState) -> float | None:
        """Write the status if it changed; return seconds to wait when it is too soon for that."""
        new = summarize(state)
        self._count(uid, new)
        patch = merge_patch(state.old, new)
        if not patch:
            return None
        since = self._parts.clock.monotonic() - self._written.get(uid, float("-inf"))
        distance = self._parts.settings.status_seconds
        if since < distance and not has_new_facts(state.old, new):
            return distance - since
        meta = body["metadata"]
        version = {"resourceVersion": meta["resourceVersion"]}
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{meta['namespace']}/{PLURAL}/{meta['name']}"
        try:
            stored = await self._parts.api.merge(
                f"{path}/status", {"metadata": version, "status": patch}
            )
        except ApiError as error:
            if error.code == NOT_FOUND:
                return None
            if error.code == CONFLICT:
                return CONFLICT_SECONDS
            raise
        self._parts.cache.put(SOURCE, stored)
        self._written[uid] = self._parts.clock.monotonic()
        self._measure(state.old, new)
        for event in status_events(state.old, new):
            self._parts.recorder.record(body, event)
        return None

    def _wishes(self, state: ObservedState) -> list[float | None]:
        """Return after how many seconds time alone may change what there is to say."""
        now, settings = state.now, self._parts.settings
        moments = [
            state.stale_at and state.stale_at + timedelta(seconds=1),
            state.next_run_at and state.next_run_at + timedelta(seconds=TICK_SECONDS),
        ]
        wishes: list[float | None] = [
            max(0.0, (moment - now).total_seconds()) for moment in moments if moment
        ]
        run = state.latest
        if state.busy and (run is None or run.finished_at is not None):
            # The longer a pod does not start, the less there is to be learned by looking.
            age = min((now - job.created_at).total_seconds() for job in state.jobs if job.active)
            wishes.append(min(max(settings.pod_check_seconds, age / 2), LATER_SECONDS))
        if state.trouble is not None and state.trouble.reason == JOB_REFUSED:
            wishes.append(LATER_SECONDS)
        if state.history is None and settings.database is not None:
            wishes.append(settings.pod_check_seconds)
        if state.refusal is not None:
            reason = state.refusal.reason
            wishes.append(WAITING_SECONDS if reason == "Replacing" else LATER_SECONDS)
        return wishes

    def _measure(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        finished = (new.get("lastRun") or {}).get("finishedAt")
        if finished and finished != (old.get("lastRun") or {}).get("finishedAt"):
            moment = parse_time(finished)
            if moment is not None:
                lag = (self._parts.clock.now() - moment).total_seconds()
                self._parts.metrics.mirror_lag.observe(max(0.0, lag))

    def _count(self, uid: str, status: Mapping[str, Any]) -> None:
        ready, before = condition_of(status, "Ready").get("status", "Unknown"), self._ready.get(uid)
        if ready != before:
            self._ready[uid] = ready
            self._parts.metrics.sources.labels(ready).inc()
            if before is not None:
                self._parts.metrics.sources.labels(before).dec()

    async def _gone(self, uid: str) -> None:
        """Retire a source that was here, and forget it.

        One that was never looked at may be one that another operator has seen first.
        """
        seen = uid in self._readings
        self._forget(uid)
        if seen:
            await self._parts.histories.retire(uid)

    def _forget(self, uid: str) -> None:
        before = self._ready.pop(uid, None)
        if before is not None:
            self._parts.metrics.sources.labels(before).dec()
        self._written.pop(uid, None)
        self._readings.pop(uid, None)
        self._parts.applier.forget(uid)
        self._parts.histories.forget(uid)
