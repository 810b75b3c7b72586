"""What to run: of which source, as which kind of run, and how carefully."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link
from sqlalchemy import Connection, Engine

from cryptosource_etl.clock import Clock
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.run.claim import Claim, SourceIdentity
from cryptosource_etl.pipeline.run.flow import Flow
from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.settings import RunSettings
from cryptosource_etl.sources.plugin import SourceReader


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Reported after each committed page."""

    counts: Counts
    total: int | None


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What to run, and how carefully."""

    kind: RunKind
    source: SourceIdentity
    open_reader: Callable[[], SourceReader]
    """Called once the source is claimed; may raise a `RunError`."""
    usage: Callable[[], Usage]
    """What the network client has done so far."""
    reject_limit_percent: float
    pins: dict[str, str]
    settings: RunSettings
    deadline_seconds: float | None = None
    """The run ends as `DeadlineExceeded` after that; None leaves it to the Job."""
    parent: Context | None = None
    """The trace this run belongs to."""
    links: tuple[Link, ...] = ()
    """What else its span points at."""
    on_progress: Callable[[Progress], None] = lambda _: None
    release: Callable[[], None] = lambda: None
    """Called at the very end, to let go of what was opened for this run alone."""


@dataclass(frozen=True, kw_only=True)
class ClaimedRun:
    """A run that holds its source: all that its parts can be made from."""

    plan: RunPlan
    claim: Claim
    reader: SourceReader
    connection: Connection
    """The claiming session, on which everything is written."""
    engine: Engine
    """Gives sessions for reading beside it."""
    clock: Clock
    pulse: Callable[[], None]
    """To be called while waiting: writes a heartbeat when one is due, raises when the run must end."""


@dataclass(frozen=True, kw_only=True)
class RunKind:
    """What distinguishes runs that load from an upstream and runs that replay."""

    compose: Callable[[ClaimedRun], Flow[Any]]
    """Makes the parts of a run; may raise what the run may meet."""
    summary: Callable[[Counts, Sequence[Drift]], str]
    """Returns the message of a run that saw everything there was."""
    stopped: str
    """The message of a run that was stopped by a signal."""
    asks_upstream: bool
    """Reads from the upstream, so its spec must be whole, with a key and a deadline."""
    trigger: str | None = None
    """What `etl_runs.trigger` says of each such run; None: what its settings say."""
