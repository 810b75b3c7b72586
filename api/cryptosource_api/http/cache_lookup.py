"""Answers that are kept, given out before a route is looked for.

Finding the route, solving its dependencies and wrapping the response cost several times what
sending bytes that are already there does.
"""

from __future__ import annotations

from starlette.types import Scope

from cryptosource_api.database.data_version import VersionWatch
from cryptosource_api.http.envelope import key_of
from cryptosource_api.http.request_context import context_of
from cryptosource_api.http.response_cache import CachedResponse, ResponseCache

JSON_WANTED = frozenset({b"*/*", b"application/json"})
"""Values of Accept that certainly want JSON. Other ones are left to the routes to read."""

_FOUND = "cryptosource.kept"
"""In the scope: whether a request is traced and what it is answered with both depend on it."""


class CacheLookup:
    """Finds what is kept for the data's version as it is known now.

    Args:
        answers: where the routes keep answers.
        versions: knows the data's version. It is not asked here: whatever needs to wait is left to
            the routes, which ask.
    """

    def __init__(self, answers: ResponseCache, versions: VersionWatch) -> None:
        self._answers = answers
        self._versions = versions

    def find(self, scope: Scope) -> CachedResponse | None:
        """Return the answer to a request; None where a route must make it."""
        if _FOUND not in scope:
            scope[_FOUND] = self._find(scope)
        found: CachedResponse | None = scope[_FOUND]
        return found

    def _find(self, scope: Scope) -> CachedResponse | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        versions = self._versions.known()
        if versions is None:
            return None
        kept = self._answers.get(key_of(scope), versions=versions)
        if kept is None or (b"accept" in context_of(scope).headers and not _wants_json(scope)):
            return None
        return kept


def _wants_json(scope: Scope) -> bool:
    return all(value in JSON_WANTED for name, value in scope["headers"] if name == b"accept")
