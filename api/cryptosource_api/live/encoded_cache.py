"""A cache of encoded events, for clients with the same filters.

Clients are woken together, so those with the same filters need the same events at the same time.
Events for a client that comes much later are encoded again, which bounds the memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from cryptosource_api.live.events import Event, Filters

ENTRY_BYTES = 300
"""Memory of an entry besides its events."""


class EncodedCache:
    """Encoded events by ring position and filters. Only the event loop may use it.

    Args:
        max_bytes: memory of the events; the newest are kept whatever their size.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[int, Filters], tuple[int, list[Event]]] = OrderedDict()
        self.used_bytes = 0

    def get_or_encode(
        self, position: int, filters: Filters, encode: Callable[[], list[Event]]
    ) -> list[Event]:
        """Return the events of a ring's entry for clients with these filters.

        Args:
            position: of the entry, in the ring that the filters are about.
            filters: of a client.
            encode: called if the events are not cached.
        """
        key = position, filters
        cached = self._entries.get(key)
        if cached is not None:
            return cached[1]
        events = encode()
        # Twice: the text, and its frame for the protocol, which the event caches.
        size = ENTRY_BYTES + 2 * sum(event.size_bytes for event in events)
        self._entries[key] = size, events
        self.used_bytes += size
        while self.used_bytes > self._max_bytes and len(self._entries) > 1:
            _, (oldest, _) = self._entries.popitem(last=False)
            self.used_bytes -= oldest
        return events
