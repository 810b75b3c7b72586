"""The settings of a run that are not in the resource, parsed once from the environment."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptosource_etl.crash_points import CrashPoints
from cryptosource_store.environment import InvalidSetting, whole_number


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of one run."""

    job_name: str
    """Identifies the run together with the source's uid; the Job's name in a cluster."""
    trigger: str = "manual"
    """schedule, manual, create, api or replay."""
    host: str = ""
    """Name of the pod or the machine on which it runs."""
    fail_after_records: int | None = None
    """Commit exactly that many records, then fail. FAIL_AFTER_N_RECORDS."""
    heartbeat_seconds: float = 10.0
    """Longest interval between two heartbeats."""
    idle_check_seconds: float = 0.5
    """Interval at which a run that waits for its upstream checks whether it should end."""
    holder_silence_seconds: float = 120.0
    """Time without a heartbeat after which the claim of another run is taken over."""
    shutdown_seconds: float = 5.0
    """Longest time that a stopping run waits for its extracting thread."""
    crash_points: CrashPoints = field(default_factory=CrashPoints)
    """The crash point, for tests. CRYPTOSOURCE_CRASH_AT."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> RunSettings:
        """Read the environment of a Job's pod or of a person's shell.

        Raises:
            InvalidSetting: a variable is invalid.
        """
        host = environ.get("CRYPTOSOURCE_POD_NAME") or socket.gethostname()
        try:
            crash_points = CrashPoints(environ.get("CRYPTOSOURCE_CRASH_AT", ""))
        except ValueError as error:
            raise InvalidSetting(str(error)) from error
        return cls(
            job_name=environ.get("CRYPTOSOURCE_JOB_NAME") or f"local-{uuid.uuid4()}",
            trigger=environ.get("CRYPTOSOURCE_TRIGGER") or "manual",
            host=host,
            fail_after_records=whole_number(environ, "FAIL_AFTER_N_RECORDS", None, least=1),
            holder_silence_seconds=float(
                whole_number(environ, "CRYPTOSOURCE_HOLDER_SILENCE_SECONDS", 120, least=1)
            ),
            crash_points=crash_points,
        )
