"""Sockets: a host is resolved once, the checked address is connected to, reads have a deadline."""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import Permanent
from cryptosource_etl.http.egress import ALLOW_SETTING, EgressPolicy
from cryptosource_etl.http.request_limits import HttpLimits
from cryptosource_store.reasons import Reason

_LOG = logging.getLogger(__name__)

STOP_CHECK_SECONDS = 0.25
"""Longest time until a blocked read notices that the process is asked to stop."""

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host as text, in order of preference. Raises OSError if it has none."""


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Resolve by the operating system, which also reads every numeric spelling `connect` accepts."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


class Progress:
    """Progress of one attempt: bytes received, and the time left."""

    def __init__(self, clock: Clock, *, total_seconds: float) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + total_seconds
        self.received_bytes = 0

    @property
    def expired(self) -> bool:
        """Whether the attempt has used up its time."""
        return self._clock.monotonic() >= self._deadline

    def clip(self, timeout: float | None) -> float:
        """Return the timeout of the next socket operation; 0 when there is no time left."""
        left = max(0.0, self._deadline - self._clock.monotonic())
        return left if timeout is None else min(timeout, left)

    def slices(self, seconds: float) -> Iterator[tuple[float, bool]]:
        """Yield `seconds` in slices, each with whether it is the last.

        Raises:
            Stopped: before a slice, when the process is asked to stop.
        """
        while True:
            self._clock.check()
            piece = min(seconds, STOP_CHECK_SECONDS)
            seconds -= piece
            yield piece, seconds <= 0
            if seconds <= 0:
                return


# A context variable and not an attribute of the stream: the pool reuses one connection for many
# attempts, and httpcore passes no per-request object down to its streams.
_CURRENT: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def enforce_deadline(progress: Progress) -> Iterator[None]:
    """Apply the deadline of `progress` to every socket operation inside the block."""
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadline of the attempt that makes them."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the bytes received, at most `max_bytes`.

        Raises:
            httpcore.ReadTimeout: no byte in time, or the attempt's time is up.
            Stopped: the process is asked to stop.
        """
        progress = _CURRENT.get()
        if progress is None:
            return self._inner.read(max_bytes, timeout)
        remaining = _require_time_left(progress.clip(timeout), httpcore.ReadTimeout)
        # In slices, because a signal does not interrupt a blocked read: Python retries it (PEP 475).
        for piece, last in progress.slices(remaining):
            try:
                data = self._inner.read(max_bytes, piece)
            except httpcore.ReadTimeout:
                if last:
                    raise
            else:
                progress.received_bytes += len(data)
                return data
        raise AssertionError("the last piece returns or raises")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send `buffer`. Raises `WriteTimeout` also when the attempt's time is up."""
        progress = _CURRENT.get()
        if progress is not None:
            timeout = _require_time_left(progress.clip(timeout), httpcore.WriteTimeout)
        self._inner.write(buffer, timeout)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the encrypted stream. The certificate is checked for the host, not the address."""
        return DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """Return information about the socket, as httpcore's interface has it."""
        return self._inner.get_extra_info(info)


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that the egress policy permits, and to no others.

    Args:
        policy: decides about each address.
        resolver: resolves the host, once per connection.
    """

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first permitted address that accepts.

        Raises:
            Permanent: `EgressDenied`, before any packet to the host.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address accepts.
        """
        wait = timeout or 10.0
        # Resolved once, and connected to by address: a second look-up could return an address that
        # was not checked (DNS rebinding).
        addresses = self._select_permitted(host, resolve(self._resolver, host, port, seconds=wait))
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, wait / len(addresses), local_address, socket_options
                )
                return DeadlineStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("the name has no address")

    def _select_permitted(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        permitted = [address for address in addresses if self._policy.permits(address)]
        if addresses and not permitted:
            # The addresses go to the log only: the message is shown to the manifest's author, who
            # must not learn internal addresses by it.
            _LOG.warning("egress denied", extra={"host": host, "addresses": list(addresses)[:8]})
            raise Permanent(
                Reason.EGRESS_DENIED,
                f"{host[:80]} is not at a public address, so nothing was sent. If sources may "
                f"reach it, add its range of addresses to {ALLOW_SETTING}.",
            )
        return permitted


def resolve(resolver: Resolver, host: str, port: int, *, seconds: float) -> Sequence[str]:
    """Return the addresses of `host` within a time limit.

    Raises:
        httpcore.ConnectError: there is no such name.
        httpcore.ConnectTimeout: not resolved in time.
    """
    outcome: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            outcome.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - handed over to the waiting thread
            outcome.put(error)

    # A thread, because getaddrinfo takes no timeout; a daemon, so that one that hangs does not keep
    # the process alive.
    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from None
    if isinstance(result, Exception):
        raise httpcore.ConnectError(f"the name does not resolve: {result}") from result
    return result


def open_pool(
    limits: HttpLimits,
    *,
    egress: EgressPolicy,
    resolver: Resolver,
    ssl_context: ssl.SSLContext | None,
) -> httpcore.ConnectionPool:
    """Return a pool of checked HTTP/1.1 connections.

    It uses no proxy, no environment variable and no cookies.
    """
    return httpcore.ConnectionPool(
        ssl_context=ssl_context,
        max_connections=limits.max_connections,
        keepalive_expiry=15.0,
        network_backend=CheckedBackend(egress, resolver),
    )


def _require_time_left(seconds: float, timeout: type[httpcore.TimeoutException]) -> float:
    # A socket timeout of 0 would make the socket non-blocking instead of timing out.
    if seconds <= 0:
        raise timeout("the attempt's time is up")
    return seconds
