"""The client: paces, sends, judges and repeats one call at a time. Thread-safe."""

from __future__ import annotations

import random as randomness
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Self

from cryptosource_etl.clock import Clock
from cryptosource_etl.http.call_execution import CallExecution, Tools
from cryptosource_etl.http.circuit_breaker import CircuitBreaker
from cryptosource_etl.http.egress import EgressPolicy
from cryptosource_etl.http.request import Call, Params, prepare
from cryptosource_etl.http.request_limits import HttpLimits, RetryPolicy
from cryptosource_etl.http.response import Response, StreamedResponse
from cryptosource_etl.http.status_policy import Classifier
from cryptosource_etl.http.token_bucket import RateLimiter
from cryptosource_etl.http.transport import Resolver, open_pool, system_resolver
from cryptosource_etl.http.usage import Counters, Usage
from cryptosource_etl.http.validators import Validators
from cryptosource_etl.http.wire import Wire


class HttpClient:
    """The one way to the network.

    Args:
        settings: caps on time and bytes.
        retry: how often, and how long to wait in between.
        limiter: asked for a token before every request.
        egress: which addresses may be reached.
        clock: measures and waits.
        breaker: shared by the clients of a process, so that they learn from each other.
        user_agent: who we say we are.
        resolver: turns a host into addresses.
        random: returns a number in [0, 1), for the jitter.
        ssl_context: trusted authorities; None: those that `certifi` ships.
    """

    def __init__(
        self,
        *,
        settings: HttpLimits,
        retry: RetryPolicy,
        limiter: RateLimiter,
        egress: EgressPolicy,
        clock: Clock,
        breaker: CircuitBreaker,
        user_agent: str,
        resolver: Resolver = system_resolver,
        random: Callable[[], float] = randomness.random,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._breaker = breaker
        self._user_agent = user_agent
        self._pool = open_pool(settings, egress=egress, resolver=resolver, ssl_context=ssl_context)
        counters = Counters()
        self._tools = Tools(
            limits=settings,
            retry=retry,
            limiter=limiter,
            clock=clock,
            wire=Wire(self._pool, settings, clock=clock, counters=counters),
            counters=counters,
            random=random,
        )

    @property
    def usage(self) -> Usage:
        """What this client has done so far."""
        return self._tools.counters.read()

    def get(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        auth_header: tuple[str, str] | None = None,
        validators: Validators | None = None,
        classify: Classifier | None = None,
    ) -> Response:
        """Fetch a body whole.

        Args:
            url: absolute, http or https.
            params: added to the URL's query; never a key.
            headers: sent besides the client's own.
            auth_header: name and value of the header that carries the key.
            validators: of the last answer, to be told when nothing has changed.
            classify: judges what comes before its status does.

        Raises:
            Retryable: no usable answer now.
            Permanent: the request must not be sent, or the upstream refuses it for good.
            Stopped: the process is to stop.
        """
        call = prepare(
            url,
            params=params,
            headers=headers,
            auth_header=auth_header,
            validators=validators,
            classify=classify,
            user_agent=self._user_agent,
        )
        with self._breaker.watch(call.host) as probing:
            return self._calling(call, probing=probing).whole()

    @contextmanager
    def stream(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        auth_header: tuple[str, str] | None = None,
        validators: Validators | None = None,
        classify: Classifier | None = None,
    ) -> Iterator[StreamedResponse]:
        """Fetch a body of any size piece by piece; attempts are repeated up to its headers.

        Args and errors are those of `get`, save that a 200 is not shown to `classify`.
        """
        call = prepare(
            url,
            params=params,
            headers=headers,
            auth_header=auth_header,
            validators=validators,
            classify=classify,
            user_agent=self._user_agent,
        )
        with self._breaker.watch(call.host) as probing:
            calling = self._calling(call, probing=probing)
            with closing(calling.opened()) as incoming:
                yield calling.streamed(incoming)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _calling(self, call: Call, *, probing: bool) -> CallExecution:
        return CallExecution(self._tools, call, probing=probing)
