"""The plan of a run: its source, its kind, its limits; and the run once it is claimed."""

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
from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.pipeline.run.ports import Flow
from cryptosource_etl.settings import RunSettings
from cryptosource_etl.sources.plugin import SourceReader


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a run after a committed page."""

    counts: Counts
    total: int | None
    """Records of the whole pass, where the upstream says how many there are."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Everything that a run needs beside a database and a clock."""

    kind: RunKind
    source: SourceIdentity
    open_reader: Callable[[], SourceReader]
    """Called once the source is claimed; may raise a `RunError`."""
    usage: Callable[[], Usage]
    """Returns the requests and retries of the network client so far."""
    reject_limit_percent: float
    """A larger share of rejected records fails the run."""
    pins: dict[str, str]
    """External id -> `scope:external id`, as in `spec.identity.pins`."""
    settings: RunSettings
    deadline_seconds: float | None = None
    """The run ends as `DeadlineExceeded` after that; None leaves the limit to the Job."""
    parent: Context | None = None
    """The trace this run belongs to."""
    links: tuple[Link, ...] = ()
    """Other spans that the run's span refers to."""
    on_progress: Callable[[Progress], None] = lambda _: None
    """Called after each committed page."""
    release: Callable[[], None] = lambda: None
    """Called at the very end, to close what was opened for this run alone."""


@dataclass(frozen=True, kw_only=True)
class ClaimedRun:
    """A run that holds its source: what a `RunKind` composes a flow from."""

    plan: RunPlan
    claim: Claim
    reader: SourceReader
    connection: Connection
    """The claiming session, on which everything is written."""
    engine: Engine
    """Opens further sessions, for reading."""
    clock: Clock
    pulse: Callable[[], None]
    """To be called while waiting: writes a heartbeat when due, raises when the run must end."""


@dataclass(frozen=True, kw_only=True)
class RunKind:
    """The differences between runs that load from an upstream and runs that replay."""

    compose: Callable[[ClaimedRun], Flow[Any]]
    """Makes the parts of a run; may raise a `RunError`."""
    summarize: Callable[[Counts, Sequence[Drift]], str]
    """Returns the message of a run that read to the end."""
    stop_message: str
    """The message of a run that was stopped by a signal."""
    reads_upstream: bool
    """Whether it reads from the upstream, and so needs the key, the file and the deadline."""
    trigger: str | None = None
    """The value of `etl_runs.trigger` for such runs; None: that of the run's settings."""
