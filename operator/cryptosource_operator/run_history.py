"""Reading Postgres for the statuses: many sources in one statement, off the event loop."""

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
BATCH = 200
"""Sources read by one statement."""
GATHER_SECONDS = 0.02
"""How long a read waits for others to join it."""


class DatabaseDown(Exception):
    """Postgres cannot be asked now."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A source as Postgres has it."""

    mirror: HistoryFacts
    row: Mapping[str, Any]
    """Its row of `sources`."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    row: Mapping[str, Any] | None
    future: asyncio.Future[Known | None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """Somebody asked for a run through the API."""

    request_id: str
    uid: str | None
    """None with `for_all` false: the source is gone."""
    for_all: bool
    traceparent: str = ""
    """Of who asked; empty: of nobody."""


@dataclass(frozen=True, kw_only=True)
class Unlisted:
    """A source of this cluster that Postgres has and the operator does not know."""

    uid: str
    namespace: str
    name: str


class RunHistoryReader:
    """The operator's side of Postgres. Every method raises `DatabaseDown` when it cannot be asked.

    Args:
        url: where it is.
        cluster: in whose name sources are registered, and retired when they are gone from it.
    """

    def __init__(self, url: URL, *, cluster: str, traced: bool = False) -> None:
        self._cluster = cluster
        self._engine: Engine = pooled_engine(
            url, application="cryptosource-operator", size=4, wait_seconds=5, timeouts=TIMEOUTS
        )
        if traced:
            trace_statements(self._engine)
        self._waiting: dict[str, _Asked] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def known(self, uid: str, row: Mapping[str, Any] | None = None) -> Known | None:
        """Return what is known of a source; None: nothing yet.

        Args:
            uid: of the source.
            row: its `registration`, written where the store has never seen the source.
        """
        asked = self._waiting.get(uid)
        if asked is None:
            asked = _Asked(row=row, future=asyncio.get_running_loop().create_future())
            self._waiting[uid] = asked
            if len(self._waiting) == 1:
                task = asyncio.create_task(self._gather())
                self._reading.add(task)
                task.add_done_callback(self._reading.discard)
        return await asyncio.shield(asked.future)

    async def _gather(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        waiting, self._waiting = self._waiting, {}
        everybody = list(waiting.items())
        try:
            found: dict[str, Known] = {}
            for start in range(0, len(everybody), BATCH):
                rows = {uid: asked.row for uid, asked in everybody[start : start + BATCH]}
                found |= await self._run(partial(_read_or_registered, rows=rows))
        except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
            for asked in waiting.values():
                if not asked.future.done():
                    asked.future.set_exception(error)
                    asked.future.exception()  # one that nobody awaits any more is no warning
            return
        for uid, asked in waiting.items():
            if not asked.future.done():
                asked.future.set_result(found.get(uid))

    def registration(self, source: CryptoSource) -> dict[str, Any]:
        """Return what the row of a source should hold."""
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
        """Write the row of a source, as a run's claim does."""
        values = self.registration(source)
        await self._run(lambda connection: register_source(connection, values))

    async def retire(self, uid: str) -> bool:
        """Say that a source's resource is gone for good; return whether that was news."""
        values = {"uid": uid}
        return await self._run(
            lambda connection: (
                connection.scalar(source_registration.RETIRE_SOURCE, values) is not None
            )
        )

    async def unlisted(self, uids: Iterable[str], namespaces: Iterable[str]) -> list[Unlisted]:
        """Return sources of this cluster that are not retired and not among those known.

        Args:
            uids: of the sources that are known.
            namespaces: where to look; none: everywhere.
        """
        values = {"cluster": self._cluster, "uids": list(uids), "namespaces": list(namespaces)}
        rows = await self._run(
            lambda connection: (
                connection.execute(source_registration.UNLISTED_SOURCES, values).mappings().all()
            )
        )
        return [Unlisted(**row) for row in rows]

    async def requests(self) -> list[Request]:
        """Return the requests for runs that nobody has answered."""
        rows = await self._run(
            lambda connection: connection.execute(run_requests.PENDING_REQUESTS).mappings().all()
        )
        return [Request(**row) for row in rows]

    async def answer(
        self, request_id: str, *, jobs: list[StartedJob], reason: str | None = None
    ) -> None:
        """Record what became of a request; no Job: it is refused, for that reason."""
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
        def within() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        try:
            return await asyncio.to_thread(within)
        except SQLAlchemyError as error:
            # The text may hold the statement's values; the class says enough.
            log.warning("Postgres cannot be asked", extra={"error": type(error).__name__})
            raise DatabaseDown(type(error).__name__) from error


def _read_or_registered(
    connection: Connection, *, rows: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, Known]:
    found = _read(connection, uids=rows)
    unseen = {uid: row for uid, row in rows.items() if row is not None and uid not in found}
    if unseen:
        made = register_unseen(connection, unseen.values())
        found |= {uid: Known(mirror=HistoryFacts(), row=unseen[uid]) for uid in made}
    return found


def _read(connection: Connection, *, uids: Iterable[str]) -> dict[str, Known]:
    found = connection.execute(source_state.OPERATOR_MIRROR, {"uids": list(uids)}).mappings()
    rows: list[dict[str, Any]] = [{str(name): row[name] for name in row} for row in found]
    return {row["uid"]: Known(mirror=_mirror(row), row=row) for row in rows}


def _mirror(row: Mapping[str, Any]) -> HistoryFacts:
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
