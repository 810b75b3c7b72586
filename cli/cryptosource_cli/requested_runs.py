"""Requested runs while `up` serves: what the operator does with run requests in a cluster.

An accepted request becomes a row for its Job, which stays until the run has ended, even if this
process dies. Of all processes on a database one at a time accepts the requests for a source: the
one that holds an advisory lock, which is released with its session. The next holder of the lock
makes the runs that the one before left, under their job names, so that none is made twice.
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
from cryptosource_cli.scheduler import MAX_RUNS_AT_ONCE, RequestedRun
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.pipeline.run.claim import register
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_store.engine import session_engine
from cryptosource_store.run_requests import StartedJob, answer_request
from cryptosource_store.statements import run_requests as sql

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Interval at which requests are queried without a notification, and a stop is noticed."""
RETRY_SECONDS = 2.0

RunNow = Callable[[RequestedRun], RunOutcome]
"""Executes a run at once and returns its outcome."""


class RequestedRuns:
    """Accepts run requests for this process's sources, as a context manager.

    A request stays pending while an earlier one for its source is not done, so that further
    requests for the source share it.

    Args:
        url: the database.
        sources: the sources that this process runs; requests for others are ignored.
        run_now: executes a run and returns its outcome.
        stop: set when the process is asked to stop.
        crash_points: the crash point, for tests.
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
        self._claimed: set[str] = set()
        self._unfinished = threading.Event()
        self._pending: set[str] = set()
        self._under_way: set[tuple[str, str]] = set()
        self._runs = ThreadPoolExecutor(MAX_RUNS_AT_ONCE, thread_name_prefix="requested run")
        self._thread = threading.Thread(target=self._serve, name="requests", daemon=True)

    def __enter__(self) -> Self:
        """Register the sources, so that runs can be requested before the first run; and start."""
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
        """Accept no more requests, and wait for the runs under way, which are asked to stop."""
        self._stop.set()
        self._thread.join(RETRY_SECONDS + POLL_SECONDS)
        self._runs.shutdown(cancel_futures=True)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                with self._engine.connect() as connection:
                    self._listen(connection)
            except (SQLAlchemyError, OSError) as error:
                log.warning("requests cannot be heard", extra={"error": type(error).__name__})
                self._stop.wait(RETRY_SECONDS)

    def _listen(self, connection: Connection) -> None:
        # A new session holds none of the locks of the one before.
        self._claimed.clear()
        with connection.begin():
            connection.execute(text(f'LISTEN "{sql.REQUESTS_CHANNEL}"'))
        driver: Any = connection.connection.dbapi_connection
        while not self._stop.is_set():
            self._claim(connection)
            self._begin_accepted(connection)
            self._take_up(connection)
            self._begin_accepted(connection)
            # Waits for the socket without reading it: a notification says only that there is a
            # request, and the statements of the next round read it.
            select.select([driver], [], [], POLL_SECONDS)
            driver.notifies.clear()

    def _claim(self, connection: Connection) -> None:
        """Take the lock of each source that no process holds."""
        with connection.begin():
            for uid in self._sources.keys() - self._claimed:
                if connection.scalar(sql.TRY_LOCK_FOR_UP, {"source_id": self._source_ids[uid]}):
                    self._claimed.add(uid)
                    self._unfinished.set()

    def _begin_accepted(self, connection: Connection) -> None:
        """Begin the accepted runs, also those that another process accepted.

        Those of a source with a run under way begin later.
        """
        if not self._unfinished.is_set():
            return
        self._unfinished.clear()
        # Copied before the query: in the other order, a run that ends between the two would be
        # listed as unfinished but no longer be under way, and would be made again.
        under_way = self._under_way.copy()
        with connection.begin():
            rows = connection.execute(sql.UNFINISHED_JOBS, {"uids": list(self._claimed)}).all()
        jobs = [
            job
            for job in rows
            if (job.uid, job.job_name) not in under_way and not self._is_suspended(job.uid)
        ]
        self._pending = {job.uid for job in jobs if job.busy}
        if self._pending:
            self._unfinished.set()
        for job in jobs:
            if not job.busy:
                self._begin(job)

    def _begin(self, job: Row[Any]) -> None:
        requested = RequestedRun(
            loaded=self._sources[job.uid], job_name=job.job_name, traceparent=job.traceparent
        )
        self._under_way.add((job.uid, job.job_name))
        self._runs.submit(self._run, job.uid, requested)

    def _run(self, uid: str, requested: RequestedRun) -> None:
        recorded = True
        try:
            recorded = self._run_now(requested).run_id is not None
        except Exception:
            log.exception("a requested run could not be made")
        finally:
            self._under_way.discard((uid, requested.job_name))
        if not recorded:  # the run could not reach Postgres: its Job is still unfinished
            self._unfinished.set()

    def _take_up(self, connection: Connection) -> None:
        with connection.begin():
            requests = connection.execute(sql.PENDING_REQUESTS).all()
        for request in requests:
            uids = self._select_sources(request)
            if uids is not None:
                self._answer(connection, request.request_id, uids)

    def _select_sources(self, request: Row[Any]) -> set[str] | None:
        """Return the uids of the sources to run; None for a request that is not ours, or not yet.

        An empty set answers a request for a source that is gone.
        """
        busy = self._pending | {uid for uid, _ in self._under_way.copy()}
        if request.for_all:
            return None if busy or not self._claimed else self._claimed
        if request.uid is None:
            return set()
        return {request.uid} if request.uid in self._claimed - busy else None

    def _answer(self, connection: Connection, request_id: str, uids: set[str]) -> None:
        active = sorted(uid for uid in uids if not self._is_suspended(uid))
        jobs = [
            StartedJob(source_uid=uid, job_name=_job_name(self._sources[uid], request_id))
            for uid in active
        ]
        by, reason = f"{sql.UP}{socket.gethostname()}", "Suspended" if uids else "SourceGone"
        with connection.begin():
            ours = answer_request(connection, request_id, by=by, jobs=jobs, reason=reason)
        if ours and jobs:
            self._crash_points.reach("request-accepted")
            self._pending.update(active)
            self._unfinished.set()

    def _is_suspended(self, uid: str) -> bool:
        return self._sources[uid].source.spec.suspend


def _job_name(loaded: LoadedSource, request_id: str) -> str:
    return f"{loaded.key[1]}-r{request_id.replace('-', '')[:16]}"
