"""The operator's queries to Postgres: run histories in batches, off the event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.source_facts import CheckpointFacts, HistoryFacts, RunFacts
from cryptosource_store.engine import pooled_engine
from cryptosource_store.reasons import RunStatus
from cryptosource_store.run_requests import StartedJob, answer_request
from cryptosource_store.settings import SessionTimeouts
from cryptosource_store.source_registration import register_source, register_unseen
from cryptosource_store.statements import run_requests, source_registration, source_state
from cryptosource_telemetry.sql_spans import trace_statements

log = logging.getLogger(__name__)
T = TypeVar("T")

TIMEOUTS = SessionTimeouts(
    statement_seconds=10, lock_seconds=5, connect_seconds=3, tcp_user_seconds=10
)
MAX_BATCH = 200
"""Sources read by one statement."""
BATCH_WAIT_SECONDS = 0.02
"""How long the first read of a batch waits for others to join it."""


class DatabaseDown(Exception):
    """Postgres cannot be reached, or does not answer in time."""


@dataclass(frozen=True, kw_only=True)
class StoredSource:
    """A source as Postgres stores it."""

    history: HistoryFacts
    row: Mapping[str, Any]
    """Its row of `sources`."""


@dataclass(frozen=True, kw_only=True)
class _PendingRead:
    row: Mapping[str, Any] | None
    future: asyncio.Future[StoredSource | None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An open request for a run, made through the API."""

    request_id: str
    uid: str | None
    """The source; None with `for_all` false: it is gone."""
    for_all: bool
    """Whether a run of every source is requested."""
    traceparent: str = ""
    """The requester's trace; empty: it sent none."""


@dataclass(frozen=True, kw_only=True)
class Unlisted:
    """A source of this cluster that Postgres has and the operator's cache has not."""

    uid: str
    namespace: str
    name: str


class RunHistoryReader:
    """Reads run histories and writes registrations and answers.

    Every method that queries raises `DatabaseDown` when Postgres cannot be reached.

    Args:
        url: the database.
        cluster: id of this cluster; only its sources are registered and retired.
        traced: whether statements make spans.
    """

    def __init__(self, url: URL, *, cluster: str, traced: bool = False) -> None:
        self._cluster = cluster
        self._engine: Engine = pooled_engine(
            url, application="cryptosource-operator", size=4, wait_seconds=5, timeouts=TIMEOUTS
        )
        if traced:
            trace_statements(self._engine)
        self._waiting: dict[str, _PendingRead] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def read(self, uid: str, row: Mapping[str, Any] | None = None) -> StoredSource | None:
        """Return a source with its run history; None when Postgres has no row of it.

        Args:
            uid: of the source.
            row: its `registration`, inserted where Postgres has none yet.
        """
        read = self._waiting.get(uid)
        if read is None:
            read = _PendingRead(row=row, future=asyncio.get_running_loop().create_future())
            self._waiting[uid] = read
            if len(self._waiting) == 1:
                # asyncio keeps only a weak reference to a task: the set keeps it from collection.
                task = asyncio.create_task(self._read_batch())
                self._reading.add(task)
                task.add_done_callback(self._reading.discard)
        # Shielded: one caller that is cancelled must not cancel the read of the others.
        return await asyncio.shield(read.future)

    async def _read_batch(self) -> None:
        await asyncio.sleep(BATCH_WAIT_SECONDS)
        waiting, self._waiting = self._waiting, {}
        pending = list(waiting.items())
        try:
            found: dict[str, StoredSource] = {}
            for start in range(0, len(pending), MAX_BATCH):
                rows = {uid: read.row for uid, read in pending[start : start + MAX_BATCH]}
                found |= await self._run(partial(_read_or_register, rows=rows))
        except Exception as error:  # noqa: BLE001 - every waiting caller gets it
            for read in waiting.values():
                if not read.future.done():
                    read.future.set_exception(error)
                    # Marked as retrieved: asyncio logs an exception that no caller awaits any more.
                    read.future.exception()
            return
        for uid, read in waiting.items():
            if not read.future.done():
                read.future.set_result(found.get(uid))

    def registration(self, source: CryptoSource) -> dict[str, Any]:
        """Return the row of `sources` that a resource should have."""
        meta, spec = source.metadata, source.spec
        return {
            "uid": meta.uid,
            "namespace": meta.namespace,
            "name": meta.name,
            "source_type": spec.type.lower(),
            "schedule": spec.schedule,
            "time_zone": spec.time_zone,
            "suspended": spec.suspend,
            "max_age_seconds": spec.freshness.max_age_seconds,
            "cluster": self._cluster,
        }

    async def register(self, source: CryptoSource) -> None:
        """Insert or update the row of a source, as a run's claim does."""
        values = self.registration(source)
        await self._run(lambda connection: register_source(connection, values))

    async def retire(self, uid: str) -> bool:
        """Mark a source as retired; return whether it was not before."""
        values = {"uid": uid}
        return await self._run(
            lambda connection: (
                connection.scalar(source_registration.RETIRE_SOURCE, values) is not None
            )
        )

    async def unlisted(self, uids: Iterable[str], namespaces: Iterable[str]) -> list[Unlisted]:
        """Return the sources of this cluster that are neither retired nor among `uids`.

        Args:
            uids: of the sources in the operator's cache.
            namespaces: the namespaces to search; none: all.
        """
        values = {"cluster": self._cluster, "uids": list(uids), "namespaces": list(namespaces)}
        rows = await self._run(
            lambda connection: (
                connection.execute(source_registration.UNLISTED_SOURCES, values).mappings().all()
            )
        )
        return [Unlisted(**row) for row in rows]

    async def requests(self) -> list[Request]:
        """Return the open requests for runs."""
        rows = await self._run(
            lambda connection: connection.execute(run_requests.PENDING_REQUESTS).mappings().all()
        )
        return [Request(**row) for row in rows]

    async def answer(
        self, request_id: str, *, jobs: list[StartedJob], reason: str | None = None
    ) -> None:
        """Record the Jobs that answer a request; without any it is refused for `reason`."""
        by = f"operator/{socket.gethostname()}"
        await self._run(
            lambda connection: answer_request(
                connection, request_id, by=by, jobs=jobs, reason=reason
            )
        )

    async def close(self) -> None:
        """Close the connections."""
        for task in list(self._reading):
            task.cancel()
        await asyncio.to_thread(self._engine.dispose)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        def run_in_transaction() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        try:
            return await asyncio.to_thread(run_in_transaction)
        except SQLAlchemyError as error:
            # The text may hold the statement's values; the class says enough.
            log.warning("Postgres cannot be asked", extra={"error": type(error).__name__})
            raise DatabaseDown(type(error).__name__) from error


def _read_or_register(
    connection: Connection, *, rows: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, StoredSource]:
    found = _read(connection, uids=rows)
    unseen = {uid: row for uid, row in rows.items() if row is not None and uid not in found}
    if unseen:
        made = register_unseen(connection, unseen.values())
        found |= {uid: StoredSource(history=HistoryFacts(), row=unseen[uid]) for uid in made}
    return found


def _read(connection: Connection, *, uids: Iterable[str]) -> dict[str, StoredSource]:
    found = connection.execute(source_state.OPERATOR_MIRROR, {"uids": list(uids)}).mappings()
    rows: list[dict[str, Any]] = [{str(name): row[name] for name in row} for row in found]
    return {row["uid"]: StoredSource(history=_history_facts(row), row=row) for row in rows}


def _history_facts(row: Mapping[str, Any]) -> HistoryFacts:
    return HistoryFacts(
        recent=tuple(_run_facts(run) for run in row["runs"]),
        last=_last_run(row),
        checkpoint=CheckpointFacts(
            cursor=row["cursor"],
            records_committed=row["records_committed"],
            observed_at=row["observed_at"],
            updated_at=row["updated_at"],
        )
        if row["has_checkpoint"]
        else None,
        last_success_at=row["last_success_at"],
        last_failure_at=row["last_failure_at"],
        consecutive_failures=row["consecutive_failures"],
        runs=row["total_runs"],
        succeeded=row["total_succeeded"],
        failed=row["total_failed"],
        processed=row["total_processed"],
    )


def _last_run(row: Mapping[str, Any]) -> RunFacts | None:
    if row["last_run"] is not None:
        return _run_facts(row["last_run"])
    if row["last_status"] is None:
        return None
    # Retention has deleted its row: the totals still know how it ended, and when.
    return RunFacts(
        id="",
        job_name="",
        trigger="",
        status=RunStatus(row["last_status"]),
        reason=row["last_reason"],
        message="",
        started_at=row["last_finished_at"],
        finished_at=row["last_finished_at"],
    )


def _run_facts(run: Mapping[str, Any]) -> RunFacts:
    finished = run["finished_at"]
    facts = dict(run) | {
        "status": RunStatus(run["status"]),
        "started_at": datetime.fromisoformat(run["started_at"]),
        "finished_at": datetime.fromisoformat(finished) if finished else None,
    }
    return RunFacts(**facts)
