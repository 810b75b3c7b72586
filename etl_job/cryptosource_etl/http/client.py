"""The client: paces, sends, judges and repeats one call at a time. Thread-safe."""

from __future__ import annotations

import io
import random as randomness
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Self, TypeVar

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Permanent, RunError
from cryptosource_etl.http import redirects, verdicts
from cryptosource_etl.http.bodies import BodyCaps
from cryptosource_etl.http.breaker import CircuitBreaker
from cryptosource_etl.http.calls import Call, Params, prepare, refuse_keys
from cryptosource_etl.http.counters import Counters, Usage
from cryptosource_etl.http.egress import EgressPolicy
from cryptosource_etl.http.exchange import Incoming, Wire
from cryptosource_etl.http.ratelimit import RateLimiter
from cryptosource_etl.http.responses import (
    NOT_MODIFIED,
    OK,
    PARTIAL,
    Response,
    StreamedResponse,
)
from cryptosource_etl.http.retrying import AttemptFailed, Attempts, parse_retry_after
from cryptosource_etl.http.settings import HttpLimits, RetryPolicy
from cryptosource_etl.http.transport import Resolver, open_pool, system_resolver
from cryptosource_etl.http.validators import Validators
from cryptosource_etl.http.verdicts import Answer, Classifier
from cryptosource_store.reasons import Reason

T = TypeVar("T")

_ERROR_CAPS = BodyCaps(sent_bytes=64 * 1024, decoded_bytes=64 * 1024, expansion=1024)
_TOO_MANY_REQUESTS = 429


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
        self._limits = settings
        self._retry = retry
        self._limiter = limiter
        self._clock = clock
        self._breaker = breaker
        self._user_agent = user_agent
        self._random = random
        self._counters = Counters()
        self._pool = open_pool(settings, egress=egress, resolver=resolver, ssl_context=ssl_context)
        self._wire = Wire(self._pool, settings, clock=clock, counters=self._counters)

    @property
    def usage(self) -> Usage:
        """What this client has done so far."""
        return self._counters.read()

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
        call = self._prepare(url, params, headers, auth_header, validators, classify)
        with self._breaker.watch(call.host) as probing:
            work = _Work(self, call, probing=probing, total_seconds=self._limits.total_seconds)
            return work.attempts.run(lambda: self._read_whole(work))

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
        call = self._prepare(url, params, headers, auth_header, validators, classify)
        with self._breaker.watch(call.host) as probing:
            total = self._limits.stream_total_seconds
            work = _Work(self, call, probing=probing, total_seconds=total)
            with closing(work.attempts.run(lambda: self._accepted(work))) as incoming:
                yield StreamedResponse(
                    status=_success(incoming.status),
                    headers=incoming.headers,
                    validators=_next_validators(call, incoming),
                    attempts=work.attempts.number,
                    waited_seconds=work.waited_seconds,
                    chunks=self._chunks(work, incoming),
                )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
