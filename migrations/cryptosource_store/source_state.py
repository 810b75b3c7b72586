"""How a source is, judged from its runs. Pure, and the only place that judges.

`statements.run_history` says in SQL which runs count and what they come to; health, pages,
`cryptosource status` and the operator judge that here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from cryptosource_store.reasons import RunStatus


class SourceState(StrEnum):
    """How a source is."""

    SUSPENDED = "suspended"
    """Its owner has stopped its scheduled runs, so neither age nor failures are held against it."""
    LOADING = "loading"
    """No run has ended yet, and the first is under way."""
    NEVER_RUN = "never_run"
    """No run has ended yet, and none is under way."""
    FAILING = "failing"
    """The last run that ended did not succeed."""
    STALE = "stale"
    """The last run succeeded, longer ago than the spec allows."""
    OK = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunHistory:
    """What the runs of a source come to; see `statements.run_history` for which of them count."""

    suspended: bool
    max_age_seconds: int | None
    """What the spec allows; None: any age."""
    age_seconds: Decimal | float | None
    """Since the last success; None: there was none."""
    running: bool
    """Whether a run that counts is under way."""
    last_status: str | None
    """Of the last run that ended; None: none has."""
    last_reason: str | None = None
    last_message: str | None = None

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> RunHistory:
        """Return the history in a row that selects `run_history.COLUMNS`."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    @property
    def never_succeeded(self) -> bool:
        """Return whether no run has ever succeeded."""
        return self.age_seconds is None

    @property
    def failing(self) -> bool:
        """Return whether the last run that ended did not succeed."""
        return self.last_status not in {None, RunStatus.SUCCESS}

    @property
    def stale(self) -> bool:
        """Return whether the last success is longer ago than is allowed."""
        age, limit = self.age_seconds, self.max_age_seconds
        return age is not None and limit is not None and age > limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How a source is, and why."""

    state: SourceState
    reason: str | None = None
    """CamelCase; None where nothing is wrong."""
    message: str | None = None


def judge(history: RunHistory) -> Verdict:
    """Return how a source is: what is most urgent decides."""
    if history.suspended:
        return Verdict(state=SourceState.SUSPENDED)
    if history.failing:
        reason = history.last_reason or str(history.last_status).capitalize()
        return Verdict(
            state=SourceState.FAILING, reason=reason, message=history.last_message or None
        )
    if history.last_status is None:
        if history.running:
            return Verdict(state=SourceState.LOADING)
        message = "No run has ended yet"
        return Verdict(state=SourceState.NEVER_RUN, reason="NeverRun", message=message)
    if history.stale:
        message = (
            f"Last success {int(history.age_seconds or 0)} s ago; "
            f"{history.max_age_seconds} s are allowed"
        )
        return Verdict(state=SourceState.STALE, reason="Stale", message=message)
    return Verdict(state=SourceState.OK)
