"""The outcome of a run: status, reason, counts and drifts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptosource_etl.errors import Retryable, RunError
from cryptosource_store.reasons import TERMINATED_EXIT_CODE, Reason, RunStatus


@dataclass(frozen=True, slots=True)
class Counts:
    """Records by outcome. Always: processed = loaded + unchanged + rejected."""

    loaded: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def processed(self) -> int:
        """All records that were read and judged."""
        return self.loaded + self.unchanged + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.loaded + other.loaded,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
        )


class Drift(NamedTuple):
    """One field of the upstream's records whose presence or type has changed."""

    field: str
    change: str
    """appeared, vanished or retyped."""
    before: list[str]
    """JSON types in the accepted shape."""
    after: list[str]
    """JSON types in this pass."""


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """The end of a run, as it is stored in the run's row."""

    status: RunStatus
    reason: Reason
    message: str
    exit_code: int
    """0 done or skipped, 75 retryable, 78 permanent, 143 terminated."""
    run_id: uuid.UUID | None = None
    """None when the run ended before it had a row."""
    retry_after_seconds: float | None = None
    """The wait that the upstream asked for; None if it named none."""
    counts: Counts = field(default_factory=Counts)
    records_committed: int = 0
    """Records of the current pass that this run and earlier ones have committed."""
    drifts: tuple[Drift, ...] = ()
    seconds: float = 0.0
    trace_id: str | None = None


def succeeded(run_id: uuid.UUID, counts: Counts, message: str) -> RunOutcome:
    """Return the outcome of a run that read to the end."""
    return RunOutcome(
        status=RunStatus.SUCCESS,
        # No records and no error: the upstream answered that nothing has changed.
        reason=Reason.COMPLETED if counts.processed else Reason.NOT_MODIFIED,
        message=message,
        exit_code=0,
        run_id=run_id,
    )


def failed(run_id: uuid.UUID | None, error: RunError) -> RunOutcome:
    """Return the outcome of a run that failed with an error."""
    wait = error.retry_after if isinstance(error, Retryable) else None
    return RunOutcome(
        status=RunStatus.FAILURE,
        reason=error.reason,
        message=error.message,
        exit_code=error.exit_code,
        run_id=run_id,
        retry_after_seconds=wait.total_seconds() if wait else None,
    )


def terminated(run_id: uuid.UUID | None, message: str) -> RunOutcome:
    """Return the outcome of a run that was stopped by a signal."""
    return RunOutcome(
        status=RunStatus.INTERRUPTED,
        reason=Reason.TERMINATED,
        message=message,
        exit_code=TERMINATED_EXIT_CODE,
        run_id=run_id,
    )
