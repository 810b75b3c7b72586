"""The informer: Kopf watches sources, CronJobs and Jobs, and events update the cache.

Only `on.event` handlers are used: they add neither finalizers nor annotations, and an event is no
more than a reason to reconcile a source. Kopf lists, watches, reconnects, starts again after 410
Gone and renews credentials. Two faults it cannot see are left to `resync`: an open watch that
delivers nothing, and an object that was deleted during a long disconnection.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from cryptosource_operator.adapters.kopf import kopf, operator_settings, quiet_logs
from cryptosource_operator.credentials import login
from cryptosource_operator.kinds import RESOURCES
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.watch_cache import WatchCache


class Informer:
    """Keeps the cache in step with the API server.

    Args:
        cache: stores the objects.
        metrics: counts the events.
        namespaces: the namespaces to watch; none: all.
        enqueue: called with the uid of a source of which an object changed.
    """

    def __init__(
        self,
        cache: WatchCache,
        metrics: Metrics,
        *,
        namespaces: tuple[str, ...],
        enqueue: Callable[[str], None],
    ) -> None:
        self._cache, self._metrics = cache, metrics
        self._namespaces, self._enqueue = namespaces, enqueue

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until cancelled. Once Kopf runs, SIGTERM and SIGINT set `stop`.

        Every kind must be served before: Kopf looks for them once, when it starts.
        """
        quiet_logs()
        started = asyncio.Event()
        operator = kopf.operator(
            registry=self._registry(),
            settings=operator_settings(
                {
                    (resource.group, resource.version, resource.plural): resource.label_selector
                    for resource in RESOURCES.values()
                    if resource.label_selector
                }
            ),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            ready_flag=started,
        )
        watching = asyncio.create_task(operator)
        starting = asyncio.create_task(started.wait())
        try:
            await asyncio.wait({watching, starting}, return_when=asyncio.FIRST_COMPLETED)
            # Kopf has replaced our signal handlers by its own, which wait five seconds for every
            # task of the loop that is not Kopf's.
            stop_on_signals(stop)
            await watching
        finally:
            starting.cancel()
            watching.cancel()
            await asyncio.wait({watching})

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(login)
        for kind, resource in RESOURCES.items():
            kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(
                self._handler(kind)
            )
        return registry

    def _handler(self, kind: str) -> Callable[..., Awaitable[None]]:
        delivered = self._metrics.watch_events.labels(kind)

        async def changed(event: Any, **_: Any) -> None:
            delivered.inc()
            self._cache.deliveries[kind] += 1
            obj = event["object"]
            if event["type"] == "DELETED":
                uid = self._cache.drop(kind, obj["metadata"]["uid"])
            else:
                uid = self._cache.put(kind, obj)
            if uid is not None:
                self._enqueue(uid)

        return changed


def stop_on_signals(stop: asyncio.Event) -> None:
    """Make SIGTERM and SIGINT set `stop`, when called in the main thread."""
    # Python delivers signals to the main thread alone and refuses handlers elsewhere (in tests).
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
