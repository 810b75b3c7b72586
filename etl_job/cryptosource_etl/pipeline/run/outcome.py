"""What became of a run, in figures and in words."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptosource_etl.errors import Retryable, RunError
from cryptosource_store.reasons import TERMINATED_EXIT_CODE, Reason, RunStatus


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of records. processed = loaded + unchanged + rejected, always."""

    loaded: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def processed(self) -> int:
        """Records that were judged."""
        return self.loaded + self.unchanged + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.loaded + other.loaded,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
        )


class Drift(NamedTuple):
    """One field of the upstream's records that is not what it was."""

    field: str
    change: str
    """appeared, vanished or retyped."""
    before: list[str]
    after: list[str]


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """The end of a run, as the run row tells it too."""

    status: RunStatus
    reason: Reason
    message: str
    exit_code: int
    """0 done or skipped, 75 retryable, 78 permanent, 143 terminated."""
    run_id: uuid.UUID | None = None
    """None when not even the database could be reached."""
    retry_after_seconds: float | None = None
    """How long the upstream asked us to stay away, when it said so."""
    counts: Counts = field(default_factory=Counts)
    records_committed: int = 0
    """Records of the current pass that are in, this run's and earlier ones'."""
    drifts: tuple[Drift, ...] = ()
    seconds: float = 0.0
    trace_id: str | None = None


def succeeded(run_id: uuid.UUID, counts: Counts, message: str) -> RunOutcome:
    """Return the outcome of a run that saw everything there was."""
    return RunOutcome(
        status=RunStatus.SUCCESS,
        reason=Reason.COMPLETED if counts.processed else Reason.NOT_MODIFIED,
        message=message,
        exit_code=0,
        run_id=run_id,
    )


def failed(run_id: uuid.UUID | None, error: RunError) -> RunOutcome:
    """Return the outcome of a run that met an error."""
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
    """Return the outcome of a run that was asked to stop."""
    return RunOutcome(
        status=RunStatus.INTERRUPTED,
        reason=Reason.TERMINATED,
        message=message,
        exit_code=TERMINATED_EXIT_CODE,
        run_id=run_id,
    )
