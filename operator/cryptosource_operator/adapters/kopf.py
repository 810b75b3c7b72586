"""Kopf as this operator runs it: imported without the `kubernetes` package, and its settings.

Import `kopf` from here and from nowhere else in this package. Where the `kubernetes` package is
installed, Kopf imports its whole client only to recognise objects of its classes, which are never
made here: a second of a start and 22 MiB. A kubeconfig whose user is a program still gets the
package when it is needed (see `credentials`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

CLIENT = "kubernetes"


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Make a package look as if it were not installed, unless it is imported already."""
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's own marker
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


with _without(CLIENT):
    import kopf

__all__ = ["kopf", "operator_settings", "quiet_logs"]

WORKERS, IDLE_SECONDS = 100, 0.05
"""A worker lingers for the idle time, so a watch delivers at most their quotient: 2 000 objects a
second; at the default of 5 seconds it would be 20. Without a limit every object of a first list
has a worker at once: 5 000 of them cost 580 MB instead of 134."""
PAGE = 100
"""Objects in a page of a list. By default Kopf asks for the whole list in one answer."""
EXIT_SECONDS = 0.5
"""How long workers are waited for at the end."""
SERVER_SECONDS, CLIENT_SECONDS = 300, 330
"""A watch is opened anew after that, whether or not it still delivers."""
SILENCE_SECONDS = 70
"""Bookmarks come each minute: a watch that is silent for longer is dead."""
REQUEST_SECONDS, CONNECT_SECONDS = 30, 5
FIRST_PAUSES_SECONDS, LAST_PAUSE_SECONDS = (0.5, 1.0, 2.0), 5.0


class _Pauses:
    """The pauses between attempts of a request, without end.

    By default Kopf gives up after a minute, and its watch ends the process: an API server that is
    away for longer would only restart every operator.
    """

    def __iter__(self) -> Iterator[float]:
        yield from FIRST_PAUSES_SECONDS
        while True:
            yield LAST_PAUSE_SECONDS


class _NoEssence(kopf.DiffBaseStorage):
    """Stores no last seen state: only handlers of differences would need one.

    By default Kopf copies every object three times for each event, a tenth of this process's time.
    """

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass


def operator_settings(
    label_selectors: Mapping[tuple[str, str, str], str],
) -> kopf.OperatorSettings:
    """Return how Kopf behaves here.

    Args:
        label_selectors: (group, version, plural) -> the labels by which the API server selects
            what is listed and watched of that kind.
    """
    settings = kopf.OperatorSettings()
    settings.queueing.worker_limit = WORKERS
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.queueing.exit_timeout = EXIT_SECONDS
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = CLIENT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    for resource, labels in label_selectors.items():
        settings.watching.label_selectors[resource] = labels
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.error_backoffs = _Pauses()
    settings.persistence.diffbase_storage = _NoEssence()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    return settings


def quiet_logs() -> None:
    """Silence Kopf's line for each handled event: it says nothing that the reconciler does not."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
