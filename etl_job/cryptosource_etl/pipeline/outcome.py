"""What became of a run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from cryptosource_etl.pipeline.drift import Drift
from cryptosource_etl.pipeline.loading import Counts
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
