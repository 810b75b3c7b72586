"""The look-up of a cached answer before routing.

Finding the route, solving its dependencies and building the response cost several times what
sending cached bytes costs.
"""

from __future__ import annotations

from starlette.types import Scope

from cryptosource_api.database.data_version import VersionWatch
from cryptosource_api.http.envelope import key_of
from cryptosource_api.http.request_context import context_of
from cryptosource_api.http.response_cache import CachedResponse, ResponseCache

JSON_ACCEPT_VALUES = frozenset({b"*/*", b"application/json"})
"""Values of Accept that certainly ask for JSON; others are left to the routes."""

_RESULT_KEY = "cryptosource.cached"
"""Key of the result in a request's scope: sampling and the answer must see the same result."""


class CacheLookup:
    """Finds the cached answer to a request.

    Args:
        answers: the cache that the routes fill.
        versions: the data's versions, used only while they are fresh: a request that has to wait
            for them is left to the routes.
    """

    def __init__(self, answers: ResponseCache, versions: VersionWatch) -> None:
        self._answers = answers
        self._versions = versions

    def find(self, scope: Scope) -> CachedResponse | None:
        """Return the cached answer to a request; None if a route must answer it."""
        if _RESULT_KEY not in scope:
            scope[_RESULT_KEY] = self._find(scope)
        found: CachedResponse | None = scope[_RESULT_KEY]
        return found

    def _find(self, scope: Scope) -> CachedResponse | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        versions = self._versions.known()
        if versions is None:
            return None
        cached = self._answers.get(key_of(scope), versions=versions)
        if cached is None or (b"accept" in context_of(scope).headers and not _accepts_json(scope)):
            return None
        return cached


def _accepts_json(scope: Scope) -> bool:
    return all(value in JSON_ACCEPT_VALUES for name, value in scope["headers"] if name == b"accept")
