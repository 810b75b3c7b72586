"""Applies a source's CronJob, reverts drift, and keeps what the API server refused."""

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

# An apply with a resource version that no object has creates the object or, where one of that name
# exists, is refused with 409: the check and the creation are one request, without a race.
IMPOSSIBLE_VERSION = "1"

REASONS = {"spec.schedule": "InvalidSchedule", "spec.timeZone": "InvalidTimeZone"}
"""A field the API server refuses -> the condition's reason."""
REFUSED_SECONDS = 600.0
"""A refused plan is applied again after that: policies of the cluster may have changed."""


class _NameTaken(Exception):
    """A CronJob of that name exists."""


@dataclass(frozen=True, kw_only=True)
class ApplyResult:
    """A source's CronJob after an apply, why it was refused, and an event to record."""

    cronjob: Mapping[str, Any] | None
    refusal: Refusal | None = None
    event: EventDraft | None = None


@dataclass(frozen=True, kw_only=True)
class _LastApply:
    """The last apply of a plan, so that it is not repeated on an unchanged object."""

    plan: str
    """Digest of the plan."""
    version: str | None
    # The version alone would not do: it changes with every change of the CronJob's status.
    state: str
    """Digest of the operator's parts of the stored object."""
    refusal: Refusal | None = None
    at: float = 0.0
    """Monotonic time of the apply."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    source: CryptoSource
    digest: str


class CronJobApplier:
    """Applies the CronJobs of sources, one plan to one object once."""

    def __init__(
        self, api: ApiClient, cache: WatchCache, settings: JobSettings, *, clock: Clock
    ) -> None:
        self._api, self._cache, self._settings, self._clock = api, cache, settings, clock
        self._last_applies: dict[str, _LastApply] = {}
        self._plans: dict[str, _Plan] = {}
        # Sources whose name another CronJob has. For these it is read whether it is still there,
        # instead of an apply that would be refused again.
        self._name_taken: set[str] = set()
        self._revert_limiter = RevertLimiter(clock)

    def forget(self, uid: str) -> None:
        """Drop what is kept of a source that is gone."""
        self._last_applies.pop(uid, None)
        self._plans.pop(uid, None)
        self._name_taken.discard(uid)
        self._revert_limiter.forget(uid)

    def _plan_digest(self, source: CryptoSource) -> str:
        """Return the digest of a source's plan, computed once for each spec."""
        # The digest alone is kept: a plan is large.
        uid = source.metadata.uid or ""
        known = self._plans.get(uid)
        if known is None or known.source is not source:
            text = msgspec.json.encode(plan_cronjob(source, self._settings), order="sorted")
            known = self._plans[uid] = _Plan(source=source, digest=digest(text.decode()))
        return known.digest

    async def apply(self, source: CryptoSource) -> ApplyResult:
        """Make the CronJob of a source match its plan.

        Raises:
            ApiError: the API server failed; a refusal is part of the result instead.
            ApiUnreachableError: no answer came.
        """
        uid = source.metadata.uid or ""
        plan = self._plan_digest(source)
        found = self._cache.cronjob(uid)
        before = self._last_applies.get(uid)
        if before is not None and self._is_unchanged(before, plan, found):
            # Also where the API server stores a value in another spelling, or has refused it: that
            # must not be applied again and again.
            return ApplyResult(cronjob=found, refusal=before.refusal)
        planned = with_signature(plan_cronjob(source, self._settings), signature_of(found))
        changed = cronjob_differences(planned, found) if found is not None else []
        if found is not None and not changed:
            self._remember(uid, plan, found)
            return ApplyResult(cronjob=found)
        if found is None:
            return await self._create(source, planned, plan)
        drift = changed if before is not None and before.plan == plan else []
        if drift and not self._revert_limiter.allows(uid):
            refusal = _contested_refusal(drift)
            words = EventDraft(reason=refusal.reason, message=refusal.message, warning=True)
            return ApplyResult(cronjob=found, refusal=refusal, event=words)
        return await self._apply_plan(uid, planned, plan, found, drift)

    def _is_unchanged(self, before: _LastApply, plan: str, found: Mapping[str, Any] | None) -> bool:
        """Return whether plan and object are those of the last apply, and a refusal is recent."""
        if before.plan != plan:
            return False
        if before.refusal is not None:
            fresh = self._clock.monotonic() - before.at < REFUSED_SECONDS
            return fresh and before.version == _version(found)
        if found is None:
            return False
        return before.version == _version(found) or before.state == _state_digest(found)

    def _remember(
        self,
        uid: str,
        plan: str,
        found: Mapping[str, Any] | None,
        refusal: Refusal | None = None,
    ) -> None:
        self._last_applies[uid] = _LastApply(
            plan=plan,
            version=_version(found),
            state="" if found is None else _state_digest(found),
            refusal=refusal,
            at=self._clock.monotonic(),
        )

    async def _create(
        self, source: CryptoSource, planned: Mapping[str, Any], plan: str
    ) -> ApplyResult:
        """Create the CronJob, unless one of that name belongs to another owner."""
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
        found: Mapping[str, Any] | None,
        drift: list[str],
    ) -> ApplyResult:
        planned = with_signature(planned, current_traceparent())
        path = _path(planned["metadata"])
        made = "resourceVersion" in planned["metadata"]
        try:
            stored = await self._api.apply(path, planned)
            if not made and cronjob_differences(planned, stored):
                # Server-side apply keeps what other managers have added, such as an item of a list
                # or a field that is not in the plan: a merge patch removes it.
                stored = await self._api.merge(path, _removal_patch(planned, stored))
        except ApiError as error:
            if error.code == CONFLICT and made:
                raise _NameTaken from error
            refusal = _refusal_of(error)
            if refusal.final:
                self._remember(uid, plan, found, refusal)
            return ApplyResult(cronjob=found, refusal=refusal)
        self._cache.put(CRONJOB, stored)
        # A difference that is left is the API server's spelling, or was added by admission: it is
        # settled as it is, and no revert.
        self._remember(uid, plan, stored)
        log.info("CronJob applied", extra={"cronjob": planned["metadata"]["name"]})
        left = cronjob_differences(planned, stored)
        reverted = [path for path in drift if path not in left]
        if reverted:
            self._revert_limiter.count(uid)
        return ApplyResult(cronjob=stored, event=_announcement(found, reverted))

    async def _name_conflict(self, source: CryptoSource) -> Refusal | None:
        """Return why a CronJob of that name may not be changed; None: it is ours, or none exists."""
        meta = source.metadata
        path = _path({"namespace": meta.namespace, "name": meta.name})
        other = await self._api.get(path)
        if other is None:
            return None
        # Our own CronJob may be missing from the cache: its label, by which it is watched, may have
        # been removed. It is recognised by owner or by label.
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
        words = f"a CronJob {meta.name} of another owner exists: rename one of the two"
        return Refusal(reason="NameTaken", message=words)


def _announcement(found: Mapping[str, Any] | None, reverted: list[str]) -> EventDraft | None:
    if found is None:
        return EventDraft(reason="CronJobCreated", message="the CronJob was made")
    if not reverted:
        return None
    words = f"the CronJob had been changed ({_format_paths(reverted)}) and is as planned again"
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
    """Return a refusal with the API server's message; raise the error where it is none."""
    if error.code == INVALID:
        field = next((cause.get("field", "") for cause in error.causes), "")
        words = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in error.causes)
        reason = REASONS.get(field, "RefusedByCluster")
        return Refusal(reason=reason, message=shorten(words or error.message))
    if error.code in {FORBIDDEN, NOT_FOUND}:
        return Refusal(reason="Forbidden", message=shorten(error.message), final=False)
    # An admission webhook that refuses without a code of its own makes it 400.
    if error.code == BAD_REQUEST:
        return Refusal(reason="RefusedByCluster", message=shorten(error.message), final=False)
    raise error


def _path(metadata: Mapping[str, Any]) -> str:
    return f"/apis/batch/v1/namespaces/{metadata['namespace']}/cronjobs/{metadata['name']}"


def cronjob_differences(planned: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the paths at which a CronJob is not as planned.

    Every field of its spec counts. Other labels and annotations of the object itself do not.
    """
    # Another owner does count, as lists are compared whole: the CronJob would outlive its source.
    return [
        *differences(planned["metadata"], found["metadata"], path="metadata"),
        *differences(planned["spec"], found.get("spec"), path="spec", whole=True),
    ]


def _removal_patch(planned: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that removes what is not planned."""
    # With the version that was compared: a write meanwhile makes it a conflict.
    meta = {"resourceVersion": stored["metadata"]["resourceVersion"]}
    owners = planned["metadata"]["ownerReferences"]
    spec = merge_patch(stored["spec"], planned["spec"])
    return {"metadata": meta | {"ownerReferences": owners}, "spec": spec}


def _state_digest(found: Mapping[str, Any]) -> str:
    meta = found["metadata"]
    ours = [found.get("spec"), meta.get("labels"), meta.get("ownerReferences")]
    return digest(msgspec.json.encode(ours, order="sorted").decode())


def _version(thing: Mapping[str, Any] | None) -> str | None:
    return None if thing is None else str(thing["metadata"].get("resourceVersion", ""))
