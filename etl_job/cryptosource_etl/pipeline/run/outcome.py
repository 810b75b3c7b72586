"""What became of a run, and the words for it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptosource_etl.errors import Retryable, RunError
from cryptosource_etl.pipeline.load.page_loader import Counts
from cryptosource_etl.pipeline.observe.shape_drift import Drift
from cryptosource_store.reasons import Reason, RunStatus

TERMINATED_EXIT_CODE = 143
"""128 + SIGTERM, what a shell would say too."""


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


def succeeded(run_id: uuid.UUID, counts: Counts, drifts: Sequence[Drift]) -> RunOutcome:
    """Return the outcome of a run that saw everything there was."""
    return RunOutcome(
        status=RunStatus.SUCCESS,
        reason=Reason.COMPLETED if counts.processed else Reason.NOT_MODIFIED,
        message=_summary(counts, drifts),
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


def terminated(run_id: uuid.UUID | None) -> RunOutcome:
    """Return the outcome of a run that was asked to stop."""
    return RunOutcome(
        status=RunStatus.INTERRUPTED,
        reason=Reason.TERMINATED,
        message="Stopped by a signal after its last whole page; the next run goes on from there",
        exit_code=TERMINATED_EXIT_CODE,
        run_id=run_id,
    )


def _summary(counts: Counts, drifts: Sequence[Drift]) -> str:
    if not counts.processed:
        return "Nothing new since the last run"
    text = f"{counts.loaded} loaded, {counts.unchanged} unchanged, {counts.rejected} rejected"
    if drifts:
        changes = ", ".join(f"{drift.field} {drift.change}" for drift in drifts[:3])
        text += f"; the upstream's shape changed: {changes}"
    return text
