"""Kopf, imported without the `kubernetes` package, and its settings for this operator.

Other modules of this package import `kopf` from here alone.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

CLIENT = "kubernetes"


@contextmanager
def _hide_package(name: str) -> Iterator[None]:
    """Make an import of a package fail within the block, unless it is imported already."""
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` raise
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


# Where the `kubernetes` package is installed, Kopf imports its whole client only to recognise objects
# of its classes, which are never made here: that costs a second of the start and 22 MiB. A kubeconfig
# whose user is a program still gets the package when it is needed (see `credentials`).
with _hide_package(CLIENT):
    import kopf

__all__ = ["kopf", "operator_settings", "quiet_logs"]

# Kopf has a worker for each object, which stays for the idle time after an event. A watch therefore
# delivers at most workers / idle time: 2 000 objects a second; with the default idle time of 5
# seconds it would be 20. Without a limit every object of a first list has a worker at once: 5 000 of
# them cost 580 MB instead of 134.
MAX_WORKERS, IDLE_SECONDS = 100, 0.05
# By default Kopf asks for the whole list in one answer.
PAGE_SIZE = 100
EXIT_SECONDS = 0.5
"""How long Kopf waits for its workers when it ends."""
# A watch is opened anew after that, whether or not it still delivers. The client's limit is the
# later one, so that it counts only where the server did not end the watch.
SERVER_SECONDS, CLIENT_SECONDS = 300, 330
# The API server sends a bookmark each minute: a watch that is silent for longer is dead.
SILENCE_SECONDS = 70
REQUEST_SECONDS, CONNECT_SECONDS = 30, 5
FIRST_PAUSES_SECONDS, LAST_PAUSE_SECONDS = (0.5, 1.0, 2.0), 5.0


class _RetryPauses:
    """The pauses between the attempts of a request, in seconds, without end."""

    # By default Kopf gives up after a minute and its watch ends the process: an API server that is
    # away for longer would only restart every operator.

    def __iter__(self) -> Iterator[float]:
        yield from FIRST_PAUSES_SECONDS
        while True:
            yield LAST_PAUSE_SECONDS


class _NoDiffBase(kopf.DiffBaseStorage):
    """A storage of last seen states that stores none."""

    # Only handlers of differences need them, and there are none here. By default Kopf copies every
    # object three times for each event, a tenth of this process's time.

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass


def operator_settings(
    label_selectors: Mapping[tuple[str, str, str], str],
) -> kopf.OperatorSettings:
    """Return Kopf's settings.

    Args:
        label_selectors: (group, version, plural) -> the label selector with which objects of that
            kind are listed and watched.
    """
    settings = kopf.OperatorSettings()
    settings.queueing.worker_limit = MAX_WORKERS
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.queueing.exit_timeout = EXIT_SECONDS
    settings.watching.chunk_size = PAGE_SIZE
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = CLIENT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    for resource, labels in label_selectors.items():
        settings.watching.label_selectors[resource] = labels
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.error_backoffs = _RetryPauses()
    settings.persistence.diffbase_storage = _NoDiffBase()
    # Events are written by `event_recorder`, not by Kopf. All kinds are served before Kopf starts
    # (`Resync.check_served`), so it need not watch for new ones.
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    return settings


def quiet_logs() -> None:
    """Silence Kopf's log line for each event; the reconciler logs what it changes."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
