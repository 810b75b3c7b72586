"""Holding a source's CronJob to its plan, and hearing what the API server has against it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptosource_crd.v1alpha1 import KIND, CryptoSource
from cryptosource_operator.announcing import Announcement
from cryptosource_operator.cache import CRONJOB, Cache
from cryptosource_operator.drift import differences
from cryptosource_operator.facts import Refusal
from cryptosource_operator.kube import FORBIDDEN, INVALID, NOT_FOUND, ApiClient, ApiError
from cryptosource_operator.names import UID_LABEL, digest
from cryptosource_operator.planning import plan_cronjob
from cryptosource_operator.reading import shortened
from cryptosource_operator.settings import JobSettings

log = logging.getLogger(__name__)

REASONS = {"spec.schedule": "InvalidSchedule", "spec.timeZone": "InvalidTimeZone"}
"""A field the API server refuses -> the condition's reason."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How a source's CronJob is after it was looked at."""

    cronjob: Mapping[str, Any] | None
    refusal: Refusal | None = None
    announcement: Announcement | None = None


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """What was applied last, so that the same is not applied again to the same object."""

    plan: str
    version: str | None
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class _Plan:
    source: CryptoSource
    digest: str


class CronJobApplier:
    """Keeps CronJobs as planned."""

    def __init__(self, api: ApiClient, cache: Cache, settings: JobSettings) -> None:
        self._api, self._cache, self._settings = api, cache, settings
        self._settled: dict[str, _Settled] = {}
        self._plans: dict[str, _Plan] = {}

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a source that is gone."""
        self._settled.pop(uid, None)
        self._plans.pop(uid, None)

    def _digest(self, source: CryptoSource) -> str:
        """Return the digest of a source's plan, made once for each spec; the plan itself is large."""
        uid = source.metadata.uid or ""
        known = self._plans.get(uid)
        if known is None or known.source is not source:
            text = json.dumps(plan_cronjob(source, self._settings), sort_keys=True)
            known = self._plans[uid] = _Plan(source=source, digest=digest(text))
        return known.digest

    async def apply(self, source: CryptoSource) -> Applied:
        """Bring the CronJob of a source in step with its plan.

        Raises:
            ApiError: the API server could not do it now.
            ApiUnreachableError: no answer came.
        """
        uid = source.metadata.uid or ""
        plan = self._digest(source)
        found = self._cache.cronjob(uid)
        before = self._settled.get(uid)
        settled = before and (before.plan, before.version) == (plan, _version(found))
        if before is not None and settled and (before.refusal is not None or found is not None):
            # Also where the API server spells a value in its own way, or has refused it.
            return Applied(cronjob=found, refusal=before.refusal)
        planned = plan_cronjob(source, self._settings)
        changed = differences(_compared(planned), found) if found is not None else []
        if found is not None and not changed:
            self._settled[uid] = _Settled(plan=plan, version=_version(found))
            return Applied(cronjob=found)
        if found is None:
            hindrance = await self._hindrance(source)
            if hindrance is not None:
                return Applied(cronjob=None, refusal=hindrance)
        drifted = before is not None and before.plan == plan
        return await self._applied(uid, planned, plan, found, changed if drifted else [])

    async def _applied(
        self,
        uid: str,
        planned: Mapping[str, Any],
        plan: str,
        found: Mapping[str, Any] | None,
        drift: list[str],
    ) -> Applied:
        try:
            stored = await self._api.apply(_path(planned["metadata"]), planned)
        except ApiError as error:
            refusal = _refusal(error)
            if refusal.final:
                self._settled[uid] = _Settled(plan=plan, version=_version(found), refusal=refusal)
            return Applied(cronjob=found, refusal=refusal)
        self._cache.put(CRONJOB, stored)
        self._settled[uid] = _Settled(plan=plan, version=_version(stored))
        log.info("CronJob applied", extra={"cronjob": planned["metadata"]["name"]})
        return Applied(cronjob=stored, announcement=_announcement(found, drift))

    async def _hindrance(self, source: CryptoSource) -> Refusal | None:
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
        earlier = any(owner["kind"] == KIND and owner["name"] == meta.name for owner in owners)
        if earlier or labelled or "deletionTimestamp" in other["metadata"]:
            words = f"waiting until the CronJob {meta.name} of an earlier resource is gone"
            return Refusal(reason="Replacing", message=words, final=False)
        words = (
            f"a CronJob {meta.name} that belongs to somebody else is here: rename one of the two"
        )
        return Refusal(reason="NameTaken", message=words)


def _announcement(found: Mapping[str, Any] | None, drift: list[str]) -> Announcement | None:
    if found is None:
        return Announcement(reason="CronJobCreated", message="the CronJob was made")
    if not drift:
        return None
    paths = ", ".join(drift[:3]) + (" and more" if len(drift) > 3 else "")  # noqa: PLR2004
    words = f"somebody had changed the CronJob ({paths}); it is as planned again"
    return Announcement(reason="DriftReverted", message=words)


def _refusal(error: ApiError) -> Refusal:
    """Return the refusal in the API server's words, or raise what is no refusal."""
    if error.code == INVALID:
        field = next((cause.get("field", "") for cause in error.causes), "")
        words = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in error.causes)
        reason = REASONS.get(field, "RefusedByCluster")
        return Refusal(reason=reason, message=shortened(words or error.message))
    if error.code in {FORBIDDEN, NOT_FOUND}:
        return Refusal(reason="Forbidden", message=shortened(error.message), final=False)
    raise error


def _path(metadata: Mapping[str, Any]) -> str:
    return f"/apis/batch/v1/namespaces/{metadata['namespace']}/cronjobs/{metadata['name']}"


def _compared(planned: Mapping[str, Any]) -> dict[str, Any]:
    return {part: planned[part] for part in ("metadata", "spec")}


def _version(thing: Mapping[str, Any] | None) -> str | None:
    return None if thing is None else str(thing["metadata"].get("resourceVersion", ""))
