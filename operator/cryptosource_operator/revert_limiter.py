"""A limit on how often a CronJob that another writer keeps changing is put back to its plan."""

from __future__ import annotations

from dataclasses import dataclass

from cryptosource_operator.clock import Clock

MAX_REVERTS = 10
"""Reverts, each within `QUIET_SECONDS` of the one before; after them the operator pauses."""
QUIET_SECONDS = 600.0
"""Without a revert for that long, counting starts anew."""


@dataclass(frozen=True, slots=True)
class _Reverts:
    count: int
    last_at: float


class RevertLimiter:
    """Counts the reverts of each source's CronJob.

    Two controllers that each apply their own version would write without end; this one gives up
    first. Only reverts that took effect count: a field that admission sets on every write is none.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reverts: dict[str, _Reverts] = {}

    def allows(self, uid: str) -> bool:
        """Return whether the CronJob of a source may be reverted once more."""
        reverts = self._reverts.get(uid)
        if reverts is None:
            return True
        if self._clock.monotonic() - reverts.last_at >= QUIET_SECONDS:
            del self._reverts[uid]
            return True
        return reverts.count < MAX_REVERTS

    def count(self, uid: str) -> None:
        """Count a revert."""
        before = self._reverts.get(uid)
        count = 1 + (before.count if before else 0)
        self._reverts[uid] = _Reverts(count, self._clock.monotonic())

    def forget(self, uid: str) -> None:
        """Drop the count of a source that is gone."""
        self._reverts.pop(uid, None)
