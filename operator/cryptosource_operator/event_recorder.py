"""Kubernetes Events of a source, as `kubectl describe` shows them.

An Event is written when a condition changes, never because time has passed; the same message about
the same source is written once in `QUIET_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptosource_crd.v1alpha1 import API_VERSION, KIND
from cryptosource_operator.api_client import CONFLICT, ApiClient, ApiError, ApiUnreachableError
from cryptosource_operator.clock import Clock, rfc3339
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import FIELD_MANAGER, digest
from cryptosource_operator.observed_state import condition_of
from cryptosource_operator.source_parser import shorten

log = logging.getLogger(__name__)

QUIET_SECONDS = 600.0
MAX_REMEMBERED = 10_000
"""Recorded events that are remembered at most, so as not to repeat them."""
MAX_WAITING = 2_000
"""Events that wait to be written at most. Further ones are dropped; the status has them too."""


@dataclass(frozen=True, kw_only=True)
class EventDraft:
    """Reason and message of an Event that is to be written."""

    reason: str
    message: str
    warning: bool = False


def status_events(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[EventDraft]:
    """Return the events of a change of status. Pure."""
    found = []
    for kind in ("Stalled", "RunBlocked", "OverQuota"):
        before, after = condition_of(old, kind), condition_of(new, kind)
        if after and before.get("reason") != after.get("reason"):
            found.append(_draft(after, warning=True))
    if condition_of(old, "Stalled") and not condition_of(new, "Stalled"):
        found.append(EventDraft(reason="Recovered", message="nothing stands against it any more"))
    found.extend(_run_events(condition_of(old, "LastRunSucceeded"), new))
    before, after = condition_of(old, "Fresh"), condition_of(new, "Fresh")
    if before.get("status") == "True" and after.get("status") == "False":
        found.append(_draft(after, warning=True))
    before, after = condition_of(old, "Suspended"), condition_of(new, "Suspended")
    if after and not before:
        found.append(_draft(after))
    if before and not after:
        found.append(EventDraft(reason="Resumed", message="runs start on schedule again"))
    # One event per reason; a stalled source's warning stands for the other events of its reason.
    stalled = condition_of(new, "Stalled").get("reason")
    drafts = {each.reason: each for each in found if each.reason != stalled or each.warning}
    return list(drafts.values())


def _run_events(before: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[EventDraft]:
    after = condition_of(new, "LastRunSucceeded")
    changed = before.get("reason") != after.get("reason")
    if after.get("status") == "False" and changed:
        yield _draft(after, warning=True)
    if after.get("status") == "True" and before.get("status") != "True":
        first = before.get("status") != "False"
        reason = "FirstRunSucceeded" if first else "RunSucceededAgain"
        yield EventDraft(reason=reason, message=after.get("message", ""))


def _draft(condition: Mapping[str, Any], *, warning: bool = False) -> EventDraft:
    return EventDraft(
        reason=condition["reason"], message=condition.get("message", ""), warning=warning
    )


class EventRecorder:
    """Writes Events in a task of its own; a failure to write one is logged and nothing more."""

    def __init__(self, api: ApiClient, clock: Clock, metrics: Metrics, *, identity: str) -> None:
        self._api, self._clock, self._metrics = api, clock, metrics
        self._identity = identity
        self._recorded_at: dict[str, float] = {}
        self._events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(MAX_WAITING)

    def record(self, source: Mapping[str, Any], event: EventDraft) -> None:
        """Queue an Event about a source, unless the same was queued within `QUIET_SECONDS`."""
        meta = source["metadata"]
        key = digest(meta["uid"], event.reason, event.message)
        now = self._clock.monotonic()
        if now - self._recorded_at.get(key, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        if len(self._recorded_at) >= MAX_REMEMBERED:
            self._recorded_at.clear()
        self._recorded_at[key] = now
        path = f"/api/v1/namespaces/{meta['namespace']}/events"
        try:
            self._events.put_nowait((path, self._event(meta, event, key)))
        except asyncio.QueueFull:
            log.warning("too many events at a time: one is left out")

    @property
    def waiting(self) -> int:
        """Return how many Events are not written yet."""
        return self._events.qsize()

    async def run(self) -> None:
        """Write queued Events until cancelled."""
        # One at a time: statuses share the API client and matter more.
        while True:
            path, event = await self._events.get()
            await self._write(path, event)
            self._events.task_done()

    async def flush(self) -> None:
        """Wait until every queued Event is written."""
        await self._events.join()

    async def _write(self, path: str, event: Mapping[str, Any]) -> None:
        try:
            await self._api.create(path, event)
        except (ApiError, ApiUnreachableError, ValueError) as error:
            if isinstance(error, ApiError) and error.code == CONFLICT:
                return  # written by another operator, or by this one before a restart
            log.warning("an event could not be written", extra={"error": str(error)})
        else:
            self._metrics.events.labels(event["reason"]).inc()

    def _event(self, meta: Mapping[str, Any], event: EventDraft, key: str) -> dict[str, Any]:
        moment = self._clock.now()
        # The name depends on content and time window: of two operators that see the same change the
        # second is refused with 409.
        name = f"{meta['name']}.{digest(key, str(int(moment.timestamp() // QUIET_SECONDS)))[:16]}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": shorten(event.message),
            "firstTimestamp": rfc3339(moment),
            "lastTimestamp": rfc3339(moment),
            "count": 1,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._identity,
        }
