"""Claim a source for one run: the lock, the run row and the epoch that fences its pages.

A claim ends with the outcome in the run's row, written on the claiming session or, where that is
lost, on a new one.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import Clock
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.settings import RunSettings
from cryptosource_store.reasons import Reason, RunStatus
from cryptosource_store.source_registration import register_source
from cryptosource_store.statements import claim as sql

log = logging.getLogger(__name__)

# A terminated backend frees its locks a moment after pg_terminate_backend returns. Two seconds are
# waited for it; then this run is skipped, and the next one finds the lock free.
TAKEOVER_POLLS = 20
TAKEOVER_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class SourceIdentity:
    """The facts of a CryptoSource that the store keeps."""

    uid: str
    namespace: str
    name: str
    source_type: str
    """`spec.type` in lower case."""
    id_scope: str
    """The issuer of its external ids: the vendor, or this one CSV source."""
    shares_ids: bool = True
    """Whether other sources may have the same `id_scope`."""
    schedule: str | None = None
    time_zone: str | None = None
    suspended: bool = False
    max_age_seconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to load one source, until its session ends."""

    source: SourceIdentity
    source_id: int
    run_id: uuid.UUID
    attempt: int
    epoch: int
    cursor: Mapping[str, Any]
    records_committed: int


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A run that has nothing to do, which is no failure."""

    run_id: uuid.UUID
    source_id: int
    reason: Reason
    message: str


def register(connection: Connection, source: SourceIdentity) -> int:
    """Return the source's id in the store, inserting or adopting its row; needs a transaction."""
    row = {
        "uid": source.uid,
        "namespace": source.namespace,
        "name": source.name,
        "source_type": source.source_type,
        "schedule": source.schedule,
        "time_zone": source.time_zone,
        "suspended": source.suspended,
        "max_age_seconds": source.max_age_seconds,
    }
    return register_source(connection, row)


def _take_lock(connection: Connection, source_id: int, settings: RunSettings, clock: Clock) -> bool:
    """Take the source's lock; terminate the session of a holder whose heartbeat has stopped."""
    if connection.scalar(sql.TRY_LOCK, {"source_id": source_id}):
        return True
    # A process that is frozen, or whose node lost its network, keeps its session and its lock for
    # as long as TCP keeps the connection. Only its missing heartbeat shows that it is gone.
    silence = {"source_id": source_id, "silent_seconds": settings.holder_silence_seconds}
    if not connection.execute(sql.END_SILENT_HOLDER, silence).all():
        return False
    log.warning("took the source over from a run that gave no sign of life")
    for _ in range(TAKEOVER_POLLS):
        if connection.scalar(sql.TRY_LOCK, {"source_id": source_id}):
            return True
        clock.sleep(TAKEOVER_POLL_SECONDS)
    return False


def release_source(connection: Connection, source_id: int) -> None:
    """Release the source's lock."""
    # Not left to the end of the session: the server may notice a closed connection a moment later,
    # and the next run would be skipped.
    with connection.begin():
        connection.execute(sql.UNLOCK, {"source_id": source_id})


def _insert_run(connection: Connection, row: Mapping[str, Any]) -> int:
    # No endless loop: the statement inserts nothing only if another run has just inserted the same
    # attempt number, and then it computes the next one.
    while True:
        attempt = connection.scalar(sql.INSERT_RUN, dict(row))
        if attempt is not None:
            return int(attempt)


def claim_source(
    connection: Connection,
    source: SourceIdentity,
    settings: RunSettings,
    *,
    clock: Clock,
    trace_id: str | None,
) -> Claim | Skipped:
    """Claim the source for one run on this session, or return why this run is not needed.

    Args:
        connection: the session that will write; the claim ends with it.
        source: the source to claim.
        settings: the run's job name, trigger and limits.
        clock: for the wait while a silent holder is taken over.
        trace_id: the run's trace, 32 hex digits.

    Returns:
        The claim with the checkpoint to go on from; or why the run is skipped, which has been
        recorded as a run of its own.
    """
    with connection.begin():
        source_id = register(connection, source)
    # In another transaction: the lock is the session's and outlives it, while the row locks of
    # `register` must not be held during a takeover.
    with connection.begin():
        locked = _take_lock(connection, source_id, settings, clock)
    row = {
        "run_id": uuid.uuid4(),
        "source_id": source_id,
        "source_uid": source.uid,
        "job_name": settings.job_name,
        "trigger": settings.trigger,
        "trace_id": trace_id,
        "host": settings.host,
    }
    if not locked:
        message = "Another run of this source is in progress"
        return _skip(connection, row, Reason.ALREADY_RUNNING, message)
    # A Job may start a second pod although the first one succeeded: Kubernetes promises at least
    # one, not exactly one. The records are in, so the second has nothing to do.
    with connection.begin():
        same_job = {"source_uid": source.uid, "job_name": settings.job_name}
        done = connection.scalar(sql.PRIOR_SUCCESS, same_job)
    if done is not None:
        release_source(connection, source_id)
        message = f"Job {settings.job_name} has already succeeded"
        return _skip(connection, row, Reason.ALREADY_SUCCEEDED, message)
    return _start(connection, source, row)


def _skip(connection: Connection, row: dict[str, Any], reason: Reason, message: str) -> Skipped:
    # Epoch 0 is below every claim's, so nothing can be written under it.
    row |= {"status": RunStatus.SKIPPED, "epoch": 0, "reason": reason, "message": message}
    with connection.begin():
        _insert_run(connection, row)
        _notify(connection, row["source_uid"])
    return Skipped(run_id=row["run_id"], source_id=row["source_id"], reason=reason, message=message)


def _start(connection: Connection, source: SourceIdentity, row: dict[str, Any]) -> Claim:
    source_id = row["source_id"]
    with connection.begin():
        # Checkpoint before run rows, as a page does: the page of a run that was taken over and
        # wakes up must not deadlock with this.
        checkpoint = connection.execute(sql.NEXT_EPOCH, {"source_id": source_id}).one()
        # Under the source's lock, so a row that still says `running` is of a process that is gone.
        dead = connection.execute(sql.INTERRUPT_DEAD_RUNS, {"source_id": source_id}).all()
        row |= {"status": RunStatus.RUNNING, "epoch": checkpoint.epoch}
        row |= {"reason": None, "message": None}
        attempt = _insert_run(connection, row)
        _notify(connection, source.uid)
    if dead:
        log.warning("an earlier run had died; it is recorded as interrupted")
    return Claim(
        source=source,
        source_id=source_id,
        run_id=row["run_id"],
        attempt=attempt,
        epoch=checkpoint.epoch,
        cursor=checkpoint.cursor,
        records_committed=checkpoint.records_committed,
    )


def _notify(connection: Connection, uid: str) -> None:
    connection.execute(sql.NOTIFY, {"channel": sql.RUNS_CHANNEL, "payload": uid})


def finish_run(connection: Connection, claim: Claim, outcome: RunOutcome, usage: Usage) -> None:
    """Write the outcome into the run's row, unless another run has declared this one dead."""
    row = {
        "run_id": claim.run_id,
        "status": outcome.status,
        "reason": outcome.reason,
        "message": outcome.message,
        "retry_after_seconds": outcome.retry_after_seconds,
        "requests": usage.requests,
        "retries": usage.retries,
    }
    with connection.begin():
        connection.execute(sql.FINISH_RUN, row)
        _notify(connection, claim.source.uid)


def finish_on_new_session(engine: Engine, claim: Claim, outcome: RunOutcome, usage: Usage) -> None:
    """Write the outcome on a new session, after the run's own was lost.

    If that fails too, the row stays `running` and the next run marks it as interrupted.
    """
    try:
        with engine.connect() as connection:
            finish_run(connection, claim, outcome, usage)
    except DBAPIError:
        log.warning("the outcome could not be stored; the next run marks this one as interrupted")
