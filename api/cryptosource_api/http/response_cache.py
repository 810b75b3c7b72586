"""Answers kept until the data changes, bounded by bytes; the least recently used go first.

Only the event loop's thread may use it: nothing here is locked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

OVERHEAD_BYTES = 500
"""What an entry costs beside its key and its body: objects, dictionary slots."""


REVALIDATE = "no-cache"
"""Keep it, but ask each time whether it still holds."""


class CachedResponse:
    """The part of an answer that depends on the data alone.

    Args:
        version: of the data it was built from.
        etag: of it.
        body: JSON up to where the meta goes.
        route: of the application, for metrics: what is kept is answered before a route is looked
            for.
    """

    __slots__ = ("body", "etag", "headers", "opaque", "route", "version")

    def __init__(self, *, version: str, etag: str, body: bytes, route: Any = None) -> None:
        self.version = version
        self.etag = etag
        self.body = body
        self.route = route
        self.headers = ((b"etag", etag.encode("ascii")), *_ALIKE)
        """What every answer from it has, the one without a body too."""
        self.opaque = opaque_of(etag)
        """The ETag as it is compared (RFC 9110 8.8.3.2)."""


_ALIKE = ((b"cache-control", REVALIDATE.encode("ascii")), (b"vary", b"Accept"))


def opaque_of(etag: str) -> bytes:
    """Return what two ETags are compared by: weakly, RFC 9110 8.8.3.2."""
    return etag.removeprefix("W/").encode("ascii")


class ResponseCache:
    """Maps a request's path and query to its answer.

    Args:
        max_bytes: memory for keys and bodies; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, CachedResponse] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, *, versions: Collection[str]) -> CachedResponse | None:
        """Return the answer if it was built from one of those versions."""
        answer = self._entries.get(key)
        if answer is None or answer.version not in versions:
            return None
        self._entries.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: CachedResponse) -> None:
        """Keep an answer; one that is larger than a tenth of the cache is not worth it."""
        cost = _cost(key, answer)
        if cost > self._max_bytes // 10:
            return
        self._drop(key)
        self._entries[key] = answer
        self.used_bytes += cost
        while self.used_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        answer = self._entries.pop(key, None)
        if answer is not None:
            self.used_bytes -= _cost(key, answer)


def _cost(key: bytes, answer: CachedResponse) -> int:
    return len(key) + len(answer.body) + OVERHEAD_BYTES
