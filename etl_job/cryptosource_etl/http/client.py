"""The HTTP client: rate limiting, sending, classification and retries of each call."""

from __future__ import annotations

import random as randomness
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Self

from cryptosource_etl.clock import Clock
from cryptosource_etl.http.call_execution import CallExecution, ClientResources
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
    """A bounded HTTP client. Thread-safe.

    Args:
        settings: limits on time and bytes.
        retry: number of attempts and the delays between them.
        limiter: gives a token before every request.
        egress: which addresses may be reached.
        clock: measures time and waits.
        breaker: circuit breaker, shared by all clients of a process.
        user_agent: value of the User-Agent header.
        resolver: resolves a host to addresses.
        random: returns a number in [0, 1), for the jitter.
        ssl_context: trusted certificate authorities; None for those that `certifi` ships.
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
        self._resources = ClientResources(
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
        """Totals of this client so far."""
        return self._resources.counters.read()

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
        """Fetch a URL and return its response with the whole body.

        Args:
            url: absolute, http or https.
            params: added to the URL's query; never a key.
            headers: sent besides the client's own.
            auth_header: name and value of the header that carries the API key.
            validators: of the previous response, to make the request conditional (304).
            classify: interprets the response before its status is interpreted.

        Raises:
            Retryable: no usable response now.
            Permanent: the request must not be sent, or the upstream refuses it permanently.
            Stopped: the process is asked to stop.
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
            return self._execution(call, probing=probing).fetch()

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
        """Fetch a URL and stream its body, which may have any size.

        Only a failure before the response's headers are in is retried. Args and errors are those
        of `get`, except that `classify` does not see a 200.
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
        # Watched until the body is read: one that breaks off is a failed call as well.
        with self._breaker.watch(call.host) as probing:
            execution = self._execution(call, probing=probing)
            with closing(execution.open()) as incoming:
                yield execution.stream(incoming)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _execution(self, call: Call, *, probing: bool) -> CallExecution:
        return CallExecution(self._resources, call, probing=probing)
