"""Not fighting for ever: how often a CronJob that somebody keeps changing is put right."""

from __future__ import annotations

from dataclasses import dataclass

from cryptosource_operator.clock import Clock

REVERTS = 10
"""Within `QUIET_SECONDS` of each other; then whoever it is has won for so long."""
QUIET_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Contest:
    reverts: int
    last: float


class RevertLimiter:
    """Counts reverts of each source's CronJob. Only of hands: what admission adds is none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._contests: dict[str, _Contest] = {}

    def worth_another(self, uid: str) -> bool:
        """Return whether to revert once more; a contest that was quiet for long is over."""
        contest = self._contests.get(uid)
        if contest is None:
            return True
        if self._clock.monotonic() - contest.last >= QUIET_SECONDS:
            del self._contests[uid]
            return True
        return contest.reverts < REVERTS

    def reverted(self, uid: str) -> None:
        """Count a revert."""
        before = self._contests.get(uid)
        count = 1 + (before.reverts if before else 0)
        self._contests[uid] = _Contest(count, self._clock.monotonic())

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a source that is gone."""
        self._contests.pop(uid, None)
