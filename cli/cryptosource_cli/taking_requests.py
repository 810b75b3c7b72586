"""Runs that somebody asks for while `up` serves: what the operator does for them in a cluster."""

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

from cryptosource_cli.assembly import identity_of
from cryptosource_cli.manifests import LoadedSource
from cryptosource_cli.scheduling import RUNS_AT_ONCE
from cryptosource_etl.pipeline.claiming import register
from cryptosource_store.engine import session_engine
from cryptosource_store.requesting import Started, answer_request
from cryptosource_store.statements.requesting import PENDING_REQUESTS, REQUESTS_CHANNEL

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Requests are looked for that often, notified or not; a stop is noticed within that, too."""
RETRY_SECONDS = 2.0

RunNow = Callable[[LoadedSource, str], object]
"""Runs a source at once, as the Job of that name."""


class RequestTaker:
    """Takes up requests for runs of this process's sources. Enter it to begin, leave it to end.

    A request is left alone while an earlier one for its source is not done: who asks meanwhile
    shares it, since it is pending still.

    Args:
        url: the database.
        sources: what this process runs; requests for others are somebody else's.
        run_now: makes a run and returns when it has ended.
        stop: set when the process is to end.
    """

    def __init__(
        self, url: URL, sources: Sequence[LoadedSource], run_now: RunNow, *, stop: threading.Event
    ) -> None:
        self._engine = session_engine(url, application="cryptosource-up-requests")
        self._sources = {identity_of(loaded.source).uid: loaded for loaded in sources}
        self._run_now = run_now
        self._stop = stop
        self._under_way: set[str] = set()
        self._runs = ThreadPoolExecutor(RUNS_AT_ONCE, thread_name_prefix="requested run")
        self._thread = threading.Thread(target=self._live, name="requests", daemon=True)

    def __enter__(self) -> Self:
        """Make the sources known, so that they can be asked for before they ever ran."""
        with self._engine.begin() as connection:
            for loaded in self._sources.values():
                register(connection, identity_of(loaded.source))
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
        with connection.begin():
            connection.execute(text(f'LISTEN "{REQUESTS_CHANNEL}"'))
        driver: Any = connection.connection.dbapi_connection
        while not self._stop.is_set():
            self._take_up(connection)
            select.select([driver], [], [], LOOK_SECONDS)
            driver.notifies.clear()

    def _take_up(self, connection: Connection) -> None:
        with connection.begin():
            requests = connection.execute(PENDING_REQUESTS).all()
        for request in requests:
            wanted = self._wanted(request)
            if wanted is not None:
                self._answer(connection, request.request_id, wanted)

    def _wanted(self, request: Row[Any]) -> list[str] | None:
        """Return which sources to run; None where it is not for us, or not yet."""
        if request.for_all:
            return None if self._under_way else list(self._sources)
        if request.uid is None:
            return []
        ours = request.uid in self._sources and request.uid not in self._under_way
        return [request.uid] if ours else None

    def _answer(self, connection: Connection, request_id: str, wanted: list[str]) -> None:
        active = [uid for uid in wanted if not self._sources[uid].source.spec.suspend]
        names = {uid: _job_name(self._sources[uid], request_id) for uid in active}
        jobs = [Started(source_uid=uid, job_name=name) for uid, name in names.items()]
        by, reason = f"up/{socket.gethostname()}", "Suspended" if wanted else "SourceGone"
        with connection.begin():
            ours = answer_request(connection, request_id, by=by, jobs=jobs, reason=reason)
        if ours:
            self._under_way |= set(active)
            for uid, name in names.items():
                self._runs.submit(self._make, uid, name)

    def _make(self, uid: str, job_name: str) -> None:
        try:
            self._run_now(self._sources[uid], job_name)
        except Exception:
            log.exception("a requested run could not be made")
        finally:
            self._under_way.discard(uid)


def _job_name(loaded: LoadedSource, request_id: str) -> str:
    return f"{loaded.key[1]}-r{request_id.replace('-', '')[:16]}"
