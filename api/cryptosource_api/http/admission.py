"""What a request or a WebSocket must pass before a route sees it: how many, who, how often."""

from __future__ import annotations

from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from cryptosource_api.http.access import (
    OPEN_PATHS,
    READERS,
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


@lru_cache(maxsize=4096)
def _bucket_of(address: str) -> str:
    return f"address:{subnet_of(address)}"


Headers = list[tuple[bytes, bytes]]

UNCOUNTED = OPEN_PATHS | {"/data/stream", "/ws"}
"""Not among the requests at a time: probes must be answered, and streams have a cap of their own."""
PROBES = frozenset({"/health/live", "/health/ready"})
"""Not counted against any rate either: all of a node's probes come from one address."""


class Admission:
    """Lets pass or refuses.

    Args:
        app: what answers.
        access: who may.
        settings: how many at a time, how often.
        shared_rates: where replicas count together; None counts here.
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
        self._most = settings.concurrency
        self._under_way = 0
        self._shared = shared_rates
        self._local = LocalBuckets()
        self._by_address = Rate(name="address", per_minute=settings.rate_per_address)
        self._by_key = Rate(name="key", per_minute=settings.rate_per_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one on, or answer with the problem."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        counted = scope["path"] not in UNCOUNTED
        self._under_way += counted
        try:
            if counted and self._under_way > self._most:
                raise Unavailable("busy", "Too many requests are under way; try again shortly")
            await self._admit(scope)
        except ApiProblem as problem:
            self._under_way -= counted
            request_id = context_of(scope).request_id
            response = render(problem, instance=scope["path"], request_id=request_id)
            await response(scope, receive, send)  # it answers a WebSocket's handshake too
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= counted

    def admit_at_once(self, scope: Scope) -> Headers | None:
        """Count a request for reading that may be answered now; return the headers that tell so.

        None is for whatever needs a second look: who shows a credential or must, who is counted
        together with the clients of other replicas, and who is refused.
        """
        present = context_of(scope).headers
        shown = b"authorization" in present or b"x-api-key" in present
        if shown or self._shared is not None or self._under_way >= self._most:
            return None
        if self._access.is_asked(READERS):
            return None
        if not self._by_address.per_minute:
            return []
        count = self._local.take(self._bucket(scope), self._by_address)
        return count.headers() if count.allowed else None

    async def _admit(self, scope: Scope) -> None:
        if scope["path"] in PROBES:  # whatever they carry, and though the database is away
            return
        try:
            credential = credential_of(scope)
        except ApiProblem:
            await self._count(scope, self._bucket(scope), self._by_address)
            raise
        identity = None
        if credential is not None:
            identity = await self._identify(scope, credential)
        if identity is not None:
            await self._count(scope, f"key:{identity.key_id or identity.name}", self._by_key)
        else:
            await self._count(scope, self._bucket(scope), self._by_address)
        self._access.decide(scope, identity, credential)
        scope[SCOPE_KEY] = identity

    async def _identify(self, scope: Scope, credential: Credential) -> Identity | None:
        if self._access.would_look_up(credential):
            # Whoever tries keys is counted before the database is asked.
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
        _counted(scope, count)


def _counted(scope: Scope, count: Count) -> None:
    if not count.allowed:
        raise count.refusal()
    scope[EXTRA_HEADERS] = count.headers()
