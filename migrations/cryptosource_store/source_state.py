"""The state of a source, judged from its runs. Pure.

`statements.counted_runs` says in SQL which runs count and summarises them. Health, pages,
`cryptosource status` and the operator all judge the summary by `judge`, so that they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from cryptosource_store.reasons import RunStatus


class SourceState(StrEnum):
    """The state of a source."""

    SUSPENDED = "suspended"
    """Its scheduled runs are suspended, so neither its age nor its failures count."""
    LOADING = "loading"
    """No run has ended yet, and the first one is running."""
    NEVER_RUN = "never_run"
    """No run has ended yet, and none is running."""
    FAILING = "failing"
    """The last run that ended did not succeed."""
    STALE = "stale"
    """The last run succeeded, but longer ago than the spec allows."""
    OK = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunHistory:
    """Summary of the runs of a source; `statements.counted_runs` says which of them count."""

    suspended: bool
    max_age_seconds: int | None
    """Greatest age that the spec allows; None: any."""
    age_seconds: Decimal | float | None
    """Seconds since the last success; None: there was none."""
    running: bool
    """Whether a run that counts is running."""
    last_status: str | None
    """Of the last run that ended; None: none has ended."""
    last_reason: str | None = None
    last_message: str | None = None

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> RunHistory:
        """Return the history from a row that selects `counted_runs.COLUMNS`."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    @property
    def never_succeeded(self) -> bool:
        """Whether no run has ever succeeded."""
        return self.age_seconds is None

    @property
    def failing(self) -> bool:
        """Whether the last run that ended did not succeed."""
        return self.last_status not in {None, RunStatus.SUCCESS}

    @property
    def stale(self) -> bool:
        """Whether the last success is longer ago than the spec allows."""
        age, limit = self.age_seconds, self.max_age_seconds
        return age is not None and limit is not None and age > limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The state of a source, and why."""

    state: SourceState
    reason: str | None = None
    """CamelCase; None for states that need no explanation."""
    message: str | None = None


def judge(history: RunHistory) -> Verdict:
    """Return the state of a source: of those that apply, the first in the order of `SourceState`."""
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
