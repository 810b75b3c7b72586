"""Admission of requests and WebSockets: concurrency, credentials, rates."""

from __future__ import annotations

from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from cryptosource_api.http.access import (
    OPEN_PATHS,
    READ_SCOPES,
    SCOPE_KEY,
    Access,
    Credential,
    credential_of,
)
from cryptosource_api.http.api_keys import Identity
from cryptosource_api.http.client_address import subnet_of
from cryptosource_api.http.problems import ApiProblem, Unavailable, render
from cryptosource_api.http.rate_limits import Count, LocalBuckets, Rate
from cryptosource_api.http.request_context import EXTRA_HEADERS, context_of
from cryptosource_api.http.shared_rate_limits import SharedRateLimits
from cryptosource_api.settings import ApiSettings


# Parsing the address costs more than counting the request.
@lru_cache(maxsize=4096)
def _bucket_of(address: str) -> str:
    return f"address:{subnet_of(address)}"


Headers = list[tuple[bytes, bytes]]

UNCOUNTED = OPEN_PATHS | {"/data/stream", "/ws"}
"""Paths outside the concurrency limit: probes must be answered, and streams have a limit of their
own."""
PROBES = frozenset({"/health/live", "/health/ready"})
"""Paths without a rate limit: all probes of a node come from one address."""


class Admission:
    """Admits requests to an application, or answers them with a problem.

    Args:
        app: the application.
        access: checks credentials.
        settings: limits of concurrency and rates.
        shared_rates: counts rates for all replicas; None counts in this process.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        settings: ApiSettings,
        shared_rates: SharedRateLimits | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._max_requests = settings.concurrency
        self._requests = 0
        self._shared = shared_rates
        self._local = LocalBuckets()
        self._by_address = Rate(name="address", per_minute=settings.rate_per_address)
        self._by_key = Rate(name="key", per_minute=settings.rate_per_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or answer it with a problem."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        counted = scope["path"] not in UNCOUNTED
        self._requests += counted
        try:
            if counted and self._requests > self._max_requests:
                raise Unavailable("busy", "Too many requests are under way; try again shortly")
            await self._admit(scope)
        except ApiProblem as problem:
            self._requests -= counted
            request_id = context_of(scope).request_id
            response = render(problem, instance=scope["path"], request_id=request_id)
            # Starlette sends it as a denial response where the request is a WebSocket's handshake.
            await response(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= counted

    def admit_from_cache(self, scope: Scope) -> Headers | None:
        """Count a read that can be answered from memory; return its rate limit headers.

        Returns:
            None if the request needs the full check: it has or needs a credential, its rate is
            shared with other replicas, or it is over a limit.
        """
        present = context_of(scope).headers
        has_credential = b"authorization" in present or b"x-api-key" in present
        if has_credential or self._shared is not None or self._requests >= self._max_requests:
            return None
        if self._access.requires_credential(READ_SCOPES):
            return None
        if not self._by_address.per_minute:
            return []
        count = self._local.take(self._bucket(scope), self._by_address)
        return count.headers() if count.allowed else None

    async def _admit(self, scope: Scope) -> None:
        if scope["path"] in PROBES:  # before credentials: looking one up needs the database
            return
        try:
            credential = credential_of(scope)
        except ApiProblem:
            # Counted by address, or malformed credentials would be a way around the rate.
            await self._count(scope, self._bucket(scope), self._by_address)
            raise
        identity = None
        if credential is not None:
            identity = await self._identify(scope, credential)
        if identity is not None:
            # The scheduler's token has no key id; its owner's name stands for it.
            await self._count(scope, f"key:{identity.key_id or identity.name}", self._by_key)
        else:
            await self._count(scope, self._bucket(scope), self._by_address)
        self._access.decide(scope, identity, credential)
        scope[SCOPE_KEY] = identity

    async def _identify(self, scope: Scope, credential: Credential) -> Identity | None:
        if self._access.needs_look_up(credential):
            # Counted before the look-up, so that guessing keys cannot load the database.
            await self._count(scope, self._bucket(scope), self._by_address)
        return await self._access.identify(credential)

    def _bucket(self, scope: Scope) -> str:
        client = scope.get("client")
        return _bucket_of(str(client[0]) if client else "")

    async def _count(self, scope: Scope, bucket: str, rate: Rate) -> None:
        if not rate.per_minute:
            return
        if self._shared is None:
            count = self._local.take(bucket, rate)
        else:
            count = await self._shared.take(bucket, rate)
        _apply_count(scope, count)


def _apply_count(scope: Scope, count: Count) -> None:
    if not count.allowed:
        raise count.refusal()
    scope[EXTRA_HEADERS] = count.headers()
