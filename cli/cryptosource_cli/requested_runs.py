"""Runs that somebody asks for while `up` serves: what the operator does for them in a cluster.

Where a request has become a Job, the Job is a row: it stands for the run until the run has ended,
whatever becomes of this process. Of all processes on a database one at a time takes up the
requests for a source, told by a lock that dies with its session; who gets the lock first makes
the runs that its predecessor left, under their names, so that none is made twice.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Row, text
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_cli.manifest_files import LoadedSource
from cryptosource_cli.run_factory import identity_of
from cryptosource_cli.scheduler import RUNS_AT_ONCE, RequestedRun
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.pipeline.run.claim import register
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_store.engine import session_engine
from cryptosource_store.run_requests import Started, answer_request
from cryptosource_store.statements import run_requests as sql

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Requests are looked for that often, notified or not; a stop is noticed within that, too."""
RETRY_SECONDS = 2.0

RunNow = Callable[[RequestedRun], RunOutcome]
"""Makes a run at once, and returns when it has ended."""


class RequestedRuns:
    """Takes up requests for runs of this process's sources. Enter it to begin, leave it to end.

    A request is left alone while an earlier one for its source is not done: who asks meanwhile
    shares it, since it is pending still.

    Args:
        url: the database.
        sources: what this process runs; requests for others are somebody else's.
        run_now: makes a run and returns when it has ended.
        stop: set when the process is to end.
        crash_points: where to die, for tests.
    """

    def __init__(
        self,
        url: URL,
        sources: Sequence[LoadedSource],
        run_now: RunNow,
        *,
        stop: threading.Event,
        crash_points: CrashPoints,
    ) -> None:
        self._engine = session_engine(url, application="cryptosource-up-requests")
        self._sources = {identity_of(loaded.source).uid: loaded for loaded in sources}
        self._source_ids: dict[str, int] = {}
        self._run_now = run_now
        self._stop = stop
        self._crash_points = crash_points
        self._ours: set[str] = set()
        self._unfinished = threading.Event()
        self._waiting: set[str] = set()
        self._under_way: set[tuple[str, str]] = set()
        self._runs = ThreadPoolExecutor(RUNS_AT_ONCE, thread_name_prefix="requested run")
        self._thread = threading.Thread(target=self._live, name="requests", daemon=True)

    def __enter__(self) -> Self:
        """Make the sources known, so that they can be asked for before they ever ran."""
        with self._engine.begin() as connection:
            for uid, loaded in self._sources.items():
                self._source_ids[uid] = register(connection, identity_of(loaded.source))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take up no more, and wait for the runs under way, which have been told to stop."""
        self._stop.set()
        self._thread.join(RETRY_SECONDS + LOOK_SECONDS)
        self._runs.shutdown(cancel_futures=True)

    def _live(self) -> None:
        while not self._stop.is_set():
            try:
                with self._engine.connect() as connection:
                    self._listen(connection)
            except (SQLAlchemyError, OSError) as error:
                log.warning("requests cannot be heard", extra={"error": type(error).__name__})
                self._stop.wait(RETRY_SECONDS)

    def _listen(self, connection: Connection) -> None:
        self._ours.clear()
        with connection.begin():
            connection.execute(text(f'LISTEN "{sql.REQUESTS_CHANNEL}"'))
        driver: Any = connection.connection.dbapi_connection
        while not self._stop.is_set():
            self._claim(connection)
            self._begin_accepted(connection)
            self._take_up(connection)
            self._begin_accepted(connection)
            select.select([driver], [], [], LOOK_SECONDS)
            driver.notifies.clear()

    def _claim(self, connection: Connection) -> None:
        """Become the one that takes up requests for each source, where nobody is."""
        with connection.begin():
            for uid in self._sources.keys() - self._ours:
                if connection.scalar(sql.TRY_TAKING, {"source_id": self._source_ids[uid]}):
                    self._ours.add(uid)
                    self._unfinished.set()

    def _begin_accepted(self, connection: Connection) -> None:
        """Begin the runs that were promised, by whomever; those of a source at work come later."""
        if not self._unfinished.is_set():
            return
        self._unfinished.clear()
        under_way = self._under_way.copy()  # before the look: who ends after it is not made again
        with connection.begin():
            found = connection.execute(sql.UNFINISHED_JOBS, {"uids": list(self._ours)}).all()
        jobs = [
            job
            for job in found
            if (job.uid, job.job_name) not in under_way and not self._is_suspended(job.uid)
        ]
        self._waiting = {job.uid for job in jobs if job.busy}
        if self._waiting:
            self._unfinished.set()
        for job in jobs:
            if not job.busy:
                self._begin(job)

    def _begin(self, job: Row[Any]) -> None:
        requested = RequestedRun(
            loaded=self._sources[job.uid], job_name=job.job_name, traceparent=job.traceparent
        )
        self._under_way.add((job.uid, job.job_name))
        self._runs.submit(self._make, job.uid, requested)

    def _make(self, uid: str, requested: RequestedRun) -> None:
        written = True
        try:
            written = self._run_now(requested).run_id is not None
        except Exception:
            log.exception("a requested run could not be made")
        finally:
            self._under_way.discard((uid, requested.job_name))
        if not written:  # Postgres could not even be asked
            self._unfinished.set()

    def _take_up(self, connection: Connection) -> None:
        with connection.begin():
            requests = connection.execute(sql.PENDING_REQUESTS).all()
        for request in requests:
            wanted = self._wanted(request)
            if wanted is not None:
                self._answer(connection, request.request_id, wanted)

    def _wanted(self, request: Row[Any]) -> set[str] | None:
        """Return which sources to run; None where it is not for us, or not yet."""
        busy = self._waiting | {uid for uid, _ in self._under_way.copy()}
        if request.for_all:
            return None if busy or not self._ours else self._ours
        if request.uid is None:
            return set()
        return {request.uid} if request.uid in self._ours - busy else None

    def _answer(self, connection: Connection, request_id: str, wanted: set[str]) -> None:
        active = sorted(uid for uid in wanted if not self._is_suspended(uid))
        jobs = [
            Started(source_uid=uid, job_name=_job_name(self._sources[uid], request_id))
            for uid in active
        ]
        by, reason = f"{sql.UP}{socket.gethostname()}", "Suspended" if wanted else "SourceGone"
        with connection.begin():
            ours = answer_request(connection, request_id, by=by, jobs=jobs, reason=reason)
        if ours and jobs:
            self._crash_points.reach("request-accepted")
            self._waiting.update(active)
            self._unfinished.set()

    def _is_suspended(self, uid: str) -> bool:
        return self._sources[uid].source.spec.suspend


def _job_name(loaded: LoadedSource, request_id: str) -> str:
    return f"{loaded.key[1]}-r{request_id.replace('-', '')[:16]}"
