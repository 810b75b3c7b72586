"""The operator process: builds the components, starts their tasks in order, stops them."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from cryptosource_operator.api_client import ApiClient, ApiError, ApiUnreachableError, retry
from cryptosource_operator.clock import Clock, SystemClock
from cryptosource_operator.credentials import cluster_of, login
from cryptosource_operator.cronjob_applier import CronJobApplier
from cryptosource_operator.event_recorder import EventRecorder
from cryptosource_operator.informer import Informer
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.pg_listener import PgListener
from cryptosource_operator.pod_inspector import PodInspector
from cryptosource_operator.probe_server import serve_probes
from cryptosource_operator.reconciler import Reconciler
from cryptosource_operator.requested_runs import RequestedRuns
from cryptosource_operator.resync import Resync
from cryptosource_operator.run_history_cache import RunHistoryCache
from cryptosource_operator.settings import OperatorSettings
from cryptosource_operator.source_retirement import SourceRetirement
from cryptosource_operator.store_client import DatabaseDown, Request, RunHistoryReader
from cryptosource_operator.watch_cache import WatchCache
from cryptosource_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)

REQUEST_POLL_SECONDS = 5.0
"""Longest time between two reads of the open requests; a notification makes it shorter."""
INVALIDATE_SECONDS = 600.0
"""Every run history is read again that often, in case a notification was missed."""


class Operator:
    """One operator, in one process."""

    def __init__(self, settings: OperatorSettings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self.metrics = Metrics()
        self._cache = WatchCache()
        self._api = ApiClient(login, self.metrics, crash_after_calls=settings.crash_after_calls)
        self._database = (
            None
            if settings.database is None
            else RunHistoryReader(
                settings.database, cluster=cluster_of(login()), traced=settings.traced
            )
        )
        self._histories = RunHistoryCache(self._database)
        self._retirement = SourceRetirement(
            self._api, self._cache, self._database, namespaces=settings.namespaces
        )
        self._requested_runs = RequestedRuns(self._api, self._cache)
        self._events = EventRecorder(
            self._api, self._clock, self.metrics, identity=settings.identity
        )
        self._queue = WorkQueue(
            self._reconciler(), workers=settings.workers, on_depth=self.metrics.queue_depth.set
        )
        self._resync = Resync(
            self._api,
            self._cache,
            self.metrics,
            namespaces=settings.namespaces,
            enqueue=self._queue.add,
        )
        self._informer = Informer(
            self._cache, self.metrics, namespaces=settings.namespaces, enqueue=self._queue.add
        )
        self._requests_waiting = asyncio.Event()
        self._reconnected = asyncio.Event()
        self._database_up = False
        self._cache_filled = asyncio.Event()

    def _reconciler(self) -> Reconciler:
        return Reconciler(
            api=self._api,
            cache=self._cache,
            histories=self._histories,
            applier=CronJobApplier(self._api, self._cache, self._settings.job, clock=self._clock),
            requested_runs=self._requested_runs,
            pods=PodInspector(self._api),
            events=self._events,
            metrics=self.metrics,
            clock=self._clock,
            settings=self._settings,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Operate until `stop` is set or a task fails, whose error is raised."""
        settings = self._settings
        probes = serve_probes(
            settings.listen_host,
            settings.listen_port,
            metrics=self.metrics,
            live=self._liveness_problems,
            ready=self._readiness_problems,
        )
        async with probes as port:
            log.info("serving probes and metrics", extra={"port": port})
            try:
                await self._listen_and_work(stop)
            finally:
                if self._database is not None:
                    await self._database.close()
                await self._api.close()

    async def _listen_and_work(self, stop: asyncio.Event) -> None:
        # Started first: when it is connected every history is read again, which costs nothing while
        # none has been read.
        listener = self._listener()
        try:
            await self._run_tasks(stop)
        finally:
            if listener is not None:
                await listener.close()

    async def _run_tasks(self, stop: asyncio.Event) -> None:
        waiting = asyncio.create_task(stop.wait())
        work = {
            asyncio.create_task(self._watch(stop)),
            asyncio.create_task(self._reconcile()),
            asyncio.create_task(self._events.run()),
            asyncio.create_task(self._run_resync()),
            asyncio.create_task(self._answer_requests()),
            asyncio.create_task(self._retire()),
        }
        try:
            done, _ = await asyncio.wait({waiting, *work}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiting}:
                # A task that ends by itself ends the process, and kubelet restarts it: a partly
                # working operator would look alive.
                task.result()
        finally:
            stop.set()
            await self._cancel(work)

    async def _watch(self, stop: asyncio.Event) -> None:
        # Kopf looks once for the kinds that are served: one that comes later is never watched.
        await retry(self._resync.check_served)
        await self._informer.run(stop)

    async def _reconcile(self) -> None:
        """Reconcile sources, once the cache is filled: until then children seem to be missing."""
        await retry(self._resync.wait_until_filled)
        self._cache_filled.set()
        self._api.counting = True
        log.info("primed", extra={"sources": len(self._cache.sources)})
        await self._queue.run()

    async def _cancel(self, work: set[asyncio.Task[None]]) -> None:
        """Cancel all tasks. The next reconcile of a source finishes what was under way."""
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    def _listener(self) -> PgListener | None:
        url = self._settings.database
        if url is None:
            return None
        listener = PgListener(
            url,
            on_runs=self._runs_changed,
            on_requests=self._requests_waiting.set,
            on_connected=self._connected,
            on_lost=self._disconnected,
        )
        listener.start()
        return listener

    def _runs_changed(self, uid: str) -> None:
        self._histories.invalidate(uid)
        if uid in self._cache.sources:
            self._queue.add(uid)

    def _connected(self) -> None:
        self._database_up = True
        self.metrics.database_up.set(1)
        # Notifications are not kept for a session that is not connected: read everything again.
        self._requests_waiting.set()
        self._reconnected.set()
        self._invalidate_all()

    def _disconnected(self) -> None:
        # Called for each failed attempt to connect: only the first one is news.
        if self._database_up:
            self._database_up = False
            self.metrics.database_up.set(0)
            self._invalidate_all()

    def _invalidate_all(self) -> None:
        self._histories.invalidate_all()
        for uid in list(self._cache.sources):
            self._queue.add(uid)

    async def _run_resync(self) -> None:
        await self._cache_filled.wait()
        began = self._clock.monotonic()
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            try:
                await self._resync.compare()
            except (ApiError, ApiUnreachableError) as error:
                log.warning("lists cannot be compared", extra={"error": str(error)})
            if self._clock.monotonic() - began > INVALIDATE_SECONDS:
                began = self._clock.monotonic()
                self._invalidate_all()

    async def _answer_requests(self) -> None:
        await self._cache_filled.wait()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._requests_waiting.wait(), REQUEST_POLL_SECONDS)
            self._requests_waiting.clear()
            if self._database is None:
                continue
            with contextlib.suppress(DatabaseDown):
                for request in await self._database.requests():
                    await self._answer(self._database, request)

    async def _answer(self, database: RunHistoryReader, request: Request) -> None:
        try:
            await self._requested_runs.answer(database, request)
        except (ApiError, ApiUnreachableError) as error:
            extra = {"request": request.request_id, "error": str(error)}
            log.warning("a request cannot be answered", extra=extra)

    async def _retire(self) -> None:
        await self._cache_filled.wait()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reconnected.wait(), self._settings.resync_seconds)
            self._reconnected.clear()
            try:
                await self._retirement.sweep()
            except (ApiError, ApiUnreachableError) as error:
                log.warning("sources cannot be compared", extra={"error": str(error)})
            except DatabaseDown:
                continue

    def _liveness_problems(self) -> list[str]:
        return [f"the watch of {kind} misses changes" for kind in self._resync.dead]

    def _readiness_problems(self) -> list[str]:
        return [] if self._cache_filled.is_set() else ["the first lists are not read yet"]
