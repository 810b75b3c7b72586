"""Answers that are kept, given out before a route is looked for.

Finding the route, solving its dependencies and wrapping the response cost several times what
sending bytes that are already there does.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from cryptosource_api.cache import AnswerCache, CachedAnswer
from cryptosource_api.context import context_of
from cryptosource_api.envelope import kept_parts, key_of
from cryptosource_api.versions import VersionWatch

JSON_WANTED = frozenset({b"*/*", b"application/json"})
"""Values of Accept that certainly want JSON. Other ones are left to the routes to read."""


class KeptAnswers:
    """Answers what is kept for the data's version as it is known now; passes on the rest.

    Args:
        app: the routes.
        answers: where they keep answers.
        versions: knows the data's version. It is not asked here: whatever needs to wait is passed
            on, and the route asks.
    """

    def __init__(self, app: ASGIApp, answers: AnswerCache, versions: VersionWatch) -> None:
        self._app = app
        self._answers = answers
        self._versions = versions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        kept = self._find(scope)
        if kept is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = kept.route
        status, headers, body = kept_parts(scope, kept)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _find(self, scope: Scope) -> CachedAnswer | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        version = self._versions.known()
        if version is None:
            return None
        if b"accept" in context_of(scope).headers and not _wants_json(scope):
            return None
        return self._answers.get(key_of(scope), version=version)


def _wants_json(scope: Scope) -> bool:
    return all(value in JSON_WANTED for name, value in scope["headers"] if name == b"accept")
