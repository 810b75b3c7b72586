"""A cache of answers, valid until the data changes and bounded by bytes.

Only the event loop's thread may use it: it has no locks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

OVERHEAD_BYTES = 500
"""Memory of an entry besides its key and body: objects, dictionary slots."""


REVALIDATE = "no-cache"
"""Cache-Control: clients may cache the answer and must revalidate it each time."""


class CachedResponse:
    """The part of an answer that depends on the data alone.

    Args:
        version: of the data it was built from.
        etag: of the answer.
        body: JSON without its end, the meta.
        route: of the application, for metrics: cached answers are given before routing.
    """

    __slots__ = ("body", "etag", "headers", "opaque", "route", "version")

    def __init__(self, *, version: str, etag: str, body: bytes, route: Any = None) -> None:
        self.version = version
        self.etag = etag
        self.body = body
        self.route = route
        self.headers = ((b"etag", etag.encode("ascii")), *_COMMON_HEADERS)
        """Headers of every response from it, also of 304."""
        self.opaque = opaque_of(etag)
        """The ETag in the form in which it is compared."""


_COMMON_HEADERS = ((b"cache-control", REVALIDATE.encode("ascii")), (b"vary", b"Accept"))


def opaque_of(etag: str) -> bytes:
    """Return the part of an ETag that a weak comparison uses (RFC 9110 8.8.3.2)."""
    return etag.removeprefix("W/").encode("ascii")


class ResponseCache:
    """Maps a request's path and query to its answer.

    Args:
        max_bytes: memory for keys and bodies; the least recently used are dropped first. 0 caches
            nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, CachedResponse] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, *, versions: Collection[str]) -> CachedResponse | None:
        """Return the answer if it was built from one of these versions."""
        answer = self._entries.get(key)
        if answer is None or answer.version not in versions:
            return None
        self._entries.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: CachedResponse) -> None:
        """Cache an answer, unless it is larger than a tenth of the cache."""
        cost = _cost(key, answer)
        # One large answer must not push out many that are used.
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
