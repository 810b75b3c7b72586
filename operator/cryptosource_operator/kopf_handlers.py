"""Kopf's part: it watches CryptoSources, and every event ends in the cache and the queue.

A handler of `on.event` alone: it adds no finalizer and no annotation, and what it is told is only
ever a reason to look. Children are followed by `following`, because Kopf selects by labels in this
process: it would hold every Job of a cluster in memory to find ours.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from cryptosource_operator.api_client import WATCH_SECONDS
from cryptosource_operator.credentials import login
from cryptosource_operator.framework import kopf
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import GROUP, PLURAL, VERSION
from cryptosource_operator.settings import OperatorSettings
from cryptosource_operator.watch_cache import SOURCE, WatchCache

WORKERS, IDLE_SECONDS = 100, 0.05
"""A worker lingers for the idle time, so throughput is at most their quotient: 2 000 objects a second;
at the default of 5 seconds it would be 20. Without a limit 5 000 objects cost 580 MB instead of 134."""
EXIT_SECONDS = 0.5
"""How long workers are waited for at the end."""
SERVER_SECONDS, CLIENT_SECONDS = WATCH_SECONDS, WATCH_SECONDS + 30
"""A watch is opened anew after that, whether or not it still says something."""
SILENCE_SECONDS = 70
"""Bookmarks come each minute here too."""


class _NoEssence(kopf.DiffBaseStorage):
    """Takes nothing down of an object: only handlers that are told of differences would need it.

    By default Kopf copies every object three times for each event, a tenth of this process's time.
    """

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass


def kopf_settings() -> kopf.OperatorSettings:
    """Return how Kopf behaves here."""
    settings = kopf.OperatorSettings()
    settings.queueing.worker_limit = WORKERS
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.queueing.exit_timeout = EXIT_SECONDS
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = CLIENT_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    settings.persistence.diffbase_storage = _NoEssence()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    return settings


def registry(
    cache: WatchCache, look: Callable[[str], None], metrics: Metrics
) -> kopf.OperatorRegistry:
    """Return the handlers.

    Args:
        cache: where objects are remembered.
        look: called with the uid of a source about which something is new.
        metrics: where events are counted.
    """
    handlers = kopf.OperatorRegistry()

    kopf.on.login(registry=handlers)(login)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def source_changed(event: Any, **_: Any) -> None:
        metrics.watch_events.labels(SOURCE).inc()
        thing = event["object"]
        deleted = event["type"] == "DELETED"
        uid = cache.drop(SOURCE, thing["metadata"]["uid"]) if deleted else cache.put(SOURCE, thing)
        if uid is not None:
            look(uid)

    return handlers


async def watch(
    handlers: kopf.OperatorRegistry, settings: OperatorSettings, *, stop: asyncio.Event
) -> None:
    """Watch until cancelled; from then on, a signal to end sets `stop`."""
    # One line for each event that was handled says nothing that the reconciler does not.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    started = asyncio.Event()
    operator = kopf.operator(
        registry=handlers,
        settings=kopf_settings(),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        ready_flag=started,
    )
    watching = asyncio.create_task(operator)
    starting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait({watching, starting}, return_when=asyncio.FIRST_COMPLETED)
        # Kopf has put its own handlers in the place of ours. They would wait five seconds for every
        # task in the loop that is not Kopf's.
        stop_on_signals(stop)
        await watching
    finally:
        starting.cancel()
        watching.cancel()
        await asyncio.wait({watching})


def stop_on_signals(stop: asyncio.Event) -> None:
    """Have SIGTERM and Ctrl-C set `stop`, in the main thread; elsewhere signals never arrive."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
