"""Holding a source's CronJob to its plan, and hearing what the API server has against it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cryptosource_crd.v1alpha1 import KIND, CryptoSource
from cryptosource_operator.api_client import (
    BAD_REQUEST,
    CONFLICT,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    ApiClient,
    ApiError,
)
from cryptosource_operator.clock import Clock
from cryptosource_operator.cronjob_plan import plan_cronjob, signature_of, with_signature
from cryptosource_operator.event_recorder import EventDraft
from cryptosource_operator.kinds import CRONJOB
from cryptosource_operator.names import UID_LABEL, digest
from cryptosource_operator.object_diff import differences, merge_patch
from cryptosource_operator.reconcile_tracing import current_traceparent
from cryptosource_operator.revert_limiter import RevertLimiter
from cryptosource_operator.settings import JobSettings
from cryptosource_operator.source_facts import Refusal
from cryptosource_operator.source_parser import shorten
from cryptosource_operator.watch_cache import WatchCache

log = logging.getLogger(__name__)

IMPOSSIBLE_VERSION = "1"
"""A resource version that no object has. An apply that names it makes the object or, where one of
that name is, is refused with 409: creating and looking whether that may be done are one request."""

REASONS = {"spec.schedule": "InvalidSchedule", "spec.timeZone": "InvalidTimeZone"}
"""A field the API server refuses -> the condition's reason."""
REFUSED_SECONDS = 600.0
"""What the API server has refused is tried again after that: its policies may have changed."""


class _NameTaken(Exception):
    """A CronJob of that name is there."""


@dataclass(frozen=True, kw_only=True)
class ApplyResult:
    """How a source's CronJob is after it was looked at."""

    cronjob: Mapping[str, Any] | None
    refusal: Refusal | None = None
    event: EventDraft | None = None


@dataclass(frozen=True, kw_only=True)
class _LastApply:
    """What was applied last, so that the same is not applied again to the same object."""

    plan: str
    version: str | None
    state: str
    """Digest of what is ours of the object as stored: its status may change at will."""
    refusal: Refusal | None = None
    at: float = 0.0
    """When, by the monotonic clock."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    source: CryptoSource
    digest: str


class CronJobApplier:
    """Keeps CronJobs as planned."""

    def __init__(
        self, api: ApiClient, cache: WatchCache, settings: JobSettings, *, clock: Clock
    ) -> None:
        self._api, self._cache, self._settings, self._clock = api, cache, settings, clock
        self._last_applies: dict[str, _LastApply] = {}
        self._plans: dict[str, _Plan] = {}
        self._name_taken: set[str] = set()
        """Sources whose name another CronJob has: asked about before it is tried again."""
        self._revert_limiter = RevertLimiter(clock)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a source that is gone."""
        self._last_applies.pop(uid, None)
        self._plans.pop(uid, None)
        self._name_taken.discard(uid)
        self._revert_limiter.forget(uid)

    def _plan_digest(self, source: CryptoSource) -> str:
        """Return the digest of a source's plan, made once for each spec; the plan itself is large."""
        uid = source.metadata.uid or ""
        known = self._plans.get(uid)
        if known is None or known.source is not source:
            text = msgspec.json.encode(plan_cronjob(source, self._settings), order="sorted")
            known = self._plans[uid] = _Plan(source=source, digest=digest(text.decode()))
        return known.digest

    async def apply(self, source: CryptoSource) -> ApplyResult:
        """Bring the CronJob of a source in step with its plan.

        Raises:
            ApiError: the API server could not do it now.
            ApiUnreachableError: no answer came.
        """
        uid = source.metadata.uid or ""
        plan = self._plan_digest(source)
        stored_now = self._cache.cronjob(uid)
        before = self._last_applies.get(uid)
        if before is not None and self._is_unchanged(before, plan, stored_now):
            # Also where the API server spells a value in its own way, or has refused it.
            return ApplyResult(cronjob=stored_now, refusal=before.refusal)
        planned = with_signature(plan_cronjob(source, self._settings), signature_of(stored_now))
        changed = cronjob_differences(planned, stored_now) if stored_now is not None else []
        if stored_now is not None and not changed:
            self._remember(uid, plan, stored_now)
            return ApplyResult(cronjob=stored_now)
        if stored_now is None:
            return await self._create(source, planned, plan)
        drift = changed if before is not None and before.plan == plan else []
        if drift and not self._revert_limiter.allows(uid):
            refusal = _contested_refusal(drift)
            words = EventDraft(reason=refusal.reason, message=refusal.message, warning=True)
            return ApplyResult(cronjob=stored_now, refusal=refusal, event=words)
        return await self._apply_plan(uid, planned, plan, stored_now, drift)

    def _is_unchanged(
        self, before: _LastApply, plan: str, stored_now: Mapping[str, Any] | None
    ) -> bool:
        """Return whether nothing has changed since this was settled."""
        if before.plan != plan:
            return False
        if before.refusal is not None:
            fresh = self._clock.monotonic() - before.at < REFUSED_SECONDS
            return fresh and before.version == _version(stored_now)
        if stored_now is None:
            return False
        return before.version == _version(stored_now) or before.state == _state_digest(stored_now)

    def _remember(
        self,
        uid: str,
        plan: str,
        stored_now: Mapping[str, Any] | None,
        refusal: Refusal | None = None,
    ) -> None:
        self._last_applies[uid] = _LastApply(
            plan=plan,
            version=_version(stored_now),
            state="" if stored_now is None else _state_digest(stored_now),
            refusal=refusal,
            at=self._clock.monotonic(),
        )

    async def _create(
        self, source: CryptoSource, planned: Mapping[str, Any], plan: str
    ) -> ApplyResult:
        """Make the CronJob, unless one of that name is there that is not ours to change."""
        uid = source.metadata.uid or ""
        if uid not in self._name_taken:
            fresh = {"metadata": planned["metadata"] | {"resourceVersion": IMPOSSIBLE_VERSION}}
            with contextlib.suppress(_NameTaken):
                return await self._apply_plan(uid, {**planned, **fresh}, plan, None, [])
        conflict = await self._name_conflict(source)
        if conflict is not None:
            self._name_taken.add(uid)
            return ApplyResult(cronjob=None, refusal=conflict)
        self._name_taken.discard(uid)
        return await self._apply_plan(uid, planned, plan, None, [])

    async def _apply_plan(
        self,
        uid: str,
        planned: Mapping[str, Any],
        plan: str,
        stored_now: Mapping[str, Any] | None,
        drift: list[str],
    ) -> ApplyResult:
        planned = with_signature(planned, current_traceparent())
        path = _path(planned["metadata"])
        made = "resourceVersion" in planned["metadata"]
        try:
            stored = await self._api.apply(path, planned)
            if not made and cronjob_differences(planned, stored):
                # Applying leaves what others have added: an item of a list, a field of their own.
                stored = await self._api.merge(path, _removal_patch(planned, stored))
        except ApiError as error:
            if error.code == CONFLICT and made:
                raise _NameTaken from error
            refusal = _refusal_of(error)
            if refusal.final:
                self._remember(uid, plan, stored_now, refusal)
            return ApplyResult(cronjob=stored_now, refusal=refusal)
        self._cache.put(CRONJOB, stored)
        # What differs still is how this API server spells it, or what its admission adds.
        self._remember(uid, plan, stored)
        log.info("CronJob applied", extra={"cronjob": planned["metadata"]["name"]})
        left = cronjob_differences(planned, stored)
        reverted = [path for path in drift if path not in left]
        if reverted:
            self._revert_limiter.count(uid)
        return ApplyResult(cronjob=stored, event=_announcement(stored_now, reverted))

    async def _name_conflict(self, source: CryptoSource) -> Refusal | None:
        """Return why a CronJob of that name must be left alone; None: it is ours, or not there."""
        meta = source.metadata
        path = _path({"namespace": meta.namespace, "name": meta.name})
        other = await self._api.get(path)
        if other is None:
            return None
        owners = other["metadata"].get("ownerReferences") or []
        if any(owner["uid"] == meta.uid for owner in owners):
            return None
        labelled = (other["metadata"].get("labels") or {}).get(UID_LABEL)
        if labelled == meta.uid:
            return None
        earlier = any(owner["kind"] == KIND and owner["name"] == meta.name for owner in owners)
        if earlier or labelled or "deletionTimestamp" in other["metadata"]:
            words = f"waiting until the CronJob {meta.name} of an earlier resource is gone"
            return Refusal(reason="Replacing", message=words, final=False)
        words = (
            f"a CronJob {meta.name} that belongs to somebody else is here: rename one of the two"
        )
        return Refusal(reason="NameTaken", message=words)


def _announcement(stored_now: Mapping[str, Any] | None, reverted: list[str]) -> EventDraft | None:
    if stored_now is None:
        return EventDraft(reason="CronJobCreated", message="the CronJob was made")
    if not reverted:
        return None
    words = f"somebody had changed the CronJob ({_format_paths(reverted)}); it is as planned again"
    return EventDraft(reason="DriftReverted", message=words)


def _contested_refusal(drift: list[str]) -> Refusal:
    words = (
        f"something keeps changing the CronJob ({_format_paths(drift)}) as often as it is put right; it is "
        "left as it is for a while: find out who it is, and change the CryptoSource instead"
    )
    return Refusal(reason="Contested", message=shorten(words), final=False)


def _format_paths(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (" and more" if len(paths) > 3 else "")  # noqa: PLR2004


def _refusal_of(error: ApiError) -> Refusal:
    """Return the refusal in the API server's words, or raise what is no refusal."""
    if error.code == INVALID:
        field = next((cause.get("field", "") for cause in error.causes), "")
        words = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in error.causes)
        reason = REASONS.get(field, "RefusedByCluster")
        return Refusal(reason=reason, message=shorten(words or error.message))
    if error.code in {FORBIDDEN, NOT_FOUND}:
        return Refusal(reason="Forbidden", message=shorten(error.message), final=False)
    if error.code == BAD_REQUEST:  # what an admission webhook answers when it gives no code
        return Refusal(reason="RefusedByCluster", message=shorten(error.message), final=False)
    raise error


def _path(metadata: Mapping[str, Any]) -> str:
    return f"/apis/batch/v1/namespaces/{metadata['namespace']}/cronjobs/{metadata['name']}"


def cronjob_differences(planned: Mapping[str, Any], stored_now: Mapping[str, Any]) -> list[str]:
    """Return where a CronJob is not as planned.

    Its spec is ours alone. Others may label and annotate the object itself, but own it they may
    not: it would outlive its source.
    """
    return [
        *differences(planned["metadata"], stored_now["metadata"], path="metadata"),
        *differences(planned["spec"], stored_now.get("spec"), path="spec", whole=True),
    ]


def _removal_patch(planned: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that leaves nothing but what is planned, if nobody writes meanwhile."""
    meta = {"resourceVersion": stored["metadata"]["resourceVersion"]}
    owners = planned["metadata"]["ownerReferences"]
    spec = merge_patch(stored["spec"], planned["spec"])
    return {"metadata": meta | {"ownerReferences": owners}, "spec": spec}


def _state_digest(stored_now: Mapping[str, Any]) -> str:
    meta = stored_now["metadata"]
    ours = [stored_now.get("spec"), meta.get("labels"), meta.get("ownerReferences")]
    return digest(msgspec.json.encode(ours, order="sorted").decode())


def _version(thing: Mapping[str, Any] | None) -> str | None:
    return None if thing is None else str(thing["metadata"].get("resourceVersion", ""))
