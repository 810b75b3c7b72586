"""What was encoded for one client, for others that want the same.

Clients are woken together, so what one of them is told is asked for again at once by those with the
same filters. A client that comes much later has it encoded anew, which bounds what is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from cryptosource_api.live.events import Event, Filters

ENTRY_BYTES = 300
"""Of an entry, beside its events."""


class EncodedCache:
    """Events by what happened and by filters; the event loop alone touches them.

    Args:
        most_bytes: kept; the newest are kept whatever their size.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[int, Filters], tuple[int, list[Event]]] = OrderedDict()
        self.used_bytes = 0

    def of(self, place: int, filters: Filters, make: Callable[[], list[Event]]) -> list[Event]:
        """Return the events of what happened at a place, as they are for some filters.

        Args:
            place: in the ring of what the filters are about.
            filters: of a client.
            make: called where they are not kept.
        """
        key = place, filters
        kept = self._kept.get(key)
        if kept is not None:
            return kept[1]
        events = make()
        size = ENTRY_BYTES + 2 * sum(
            event.size_bytes for event in events
        )  # the text, and its frame
        self._kept[key] = size, events
        self.used_bytes += size
        while self.used_bytes > self._most_bytes and len(self._kept) > 1:
            _, (oldest, _) = self._kept.popitem(last=False)
            self.used_bytes -= oldest
        return events
