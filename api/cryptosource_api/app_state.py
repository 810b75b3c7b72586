"""What the routes share: reads, the data's version, answers that are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from cryptosource_api.database.data_version import EMPTY, VersionWatch
from cryptosource_api.database.query_runner import QueryRunner
from cryptosource_api.exports.stream import Exports
from cryptosource_api.http.envelope import answer, etag_of, fresh_answer, key_of
from cryptosource_api.http.list_answer import Answer
from cryptosource_api.http.response_cache import CachedResponse, ResponseCache
from cryptosource_api.http.shared_rate_limits import SharedRateLimits
from cryptosource_api.live.hub import Hub
from cryptosource_api.metrics.database_snapshot import DatabaseSnapshots
from cryptosource_api.metrics.request_metrics import RequestMetrics
from cryptosource_store.schema_migration import head_revision, serves

Reading = Callable[[Connection], Answer]
"""Reads an answer."""

Question = Callable[[], Reading]
"""Parses a request; returns how to read its answer."""


@dataclass(frozen=True, kw_only=True)
class AppState:
    """One application's."""

    reads: QueryRunner
    versions: VersionWatch
    answers: ResponseCache
    requests: RequestMetrics
    readings: DatabaseSnapshots
    exports: Exports
    live: Hub
    shared_rates: SharedRateLimits | None = None
    began: float = field(default_factory=time.monotonic)
    """`time.monotonic()` when the application was made."""

    @cached_property
    def needed_revision(self) -> str:
        """The schema revision that this code was written for."""
        return head_revision()

    def works_on(self, revision: str | None) -> bool:
        """Return whether the schema will do: this version's own, or that of a newer one."""
        return revision == self.needed_revision or serves(revision)

    async def answer_by_version(self, request: Request, question: Question) -> Response:
        """Answer from what is kept, else from the database.

        An answer is kept under the version that its own statement saw, so it can never be older
        than its label. The client's validators are honoured either way.

        Args:
            request: its path and query are the key, unparsed: equal bytes are equal questions.
            question: called when nothing is kept.
        """
        key = key_of(request.scope)
        kept = self.answers.get(key, versions=await self.versions.current())
        if kept is None:
            found = await self.reads(question())
            built_from = found.version or EMPTY
            kept = CachedResponse(
                version=built_from,
                etag=etag_of(key, built_from),
                body=found.body,
                route=request.scope.get("route"),
            )
            self.answers.put(key, kept)
        return answer(request, kept)

    async def answer_fresh(self, request: Request, read: Reading) -> Response:
        """Answer from the database, and have nobody keep it.

        Args:
            request: what is answered.
            read: reads the answer.
        """
        found = await self.reads(read)
        return fresh_answer(request, found.body)


def app_state_of(request: Request) -> AppState:
    """Return the services of the application that a request came to."""
    services = request.app.state.services
    assert isinstance(services, AppState)  # noqa: S101 - create_app put it there
    return services


def exports_of(request: Request) -> Exports:
    """Return what runs the exports of the application that a request came to."""
    return app_state_of(request).exports
