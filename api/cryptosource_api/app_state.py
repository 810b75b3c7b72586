"""The state that an application's routes share: connections, caches, metrics, streams."""

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
"""A query function that returns an answer."""

Prepare = Callable[[], Reading]
"""Parses a request and returns its query function."""


@dataclass(frozen=True, kw_only=True)
class AppState:
    """The state of one application."""

    reads: QueryRunner
    versions: VersionWatch
    response_cache: ResponseCache
    requests: RequestMetrics
    readings: DatabaseSnapshots
    exports: Exports
    live: Hub
    shared_rates: SharedRateLimits | None = None
    started: float = field(default_factory=time.monotonic)
    """`time.monotonic()` when the application was created."""

    @cached_property
    def needed_revision(self) -> str:
        """The schema revision that this version needs."""
        return head_revision()

    def works_on(self, revision: str | None) -> bool:
        """Return whether this version works on a schema: its own, or a compatible newer one."""
        return revision == self.needed_revision or serves(revision)

    async def answer_by_version(self, request: Request, prepare: Prepare) -> Response:
        """Answer from the cache, else from the database.

        If-None-Match is honoured either way.

        Args:
            request: its path and query, as sent, are the key of the cache.
            prepare: called if the answer is not cached.
        """
        key = key_of(request.scope)
        # The path and query as sent: parsing them first would cost more than the look-up.
        cached = self.response_cache.get(key, versions=await self.versions.current())
        if cached is None:
            result = await self.reads(prepare())
            # The version that the statement itself saw: data may have been committed since the
            # look-up, and an answer must not be older than its label.
            version = result.version or EMPTY
            cached = CachedResponse(
                version=version,
                etag=etag_of(key, version),
                body=result.body,
                route=request.scope.get("route"),
            )
            self.response_cache.put(key, cached)
        return answer(request, cached)

    async def answer_fresh(self, request: Request, read: Reading) -> Response:
        """Answer from the database, with `Cache-Control: no-store`.

        Args:
            request: the request to answer.
            read: the query function.
        """
        result = await self.reads(read)
        return fresh_answer(request, result.body)


def app_state_of(request: Request) -> AppState:
    """Return the state of the application that a request came to."""
    services = request.app.state.services
    assert isinstance(services, AppState)  # noqa: S101 - create_app put it there
    return services


def exports_of(request: Request) -> Exports:
    """Return the exports of the application that a request came to."""
    return app_state_of(request).exports
