"""Sockets: resolved once, checked, connected to the checked address, read within a deadline."""

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
"""How soon a read that waits for a slow upstream notices that the process is to stop."""

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host, best first, as text. Raises OSError when there is none."""


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system, which also reads the numeric spellings that `connect` would."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Progress:
    """How far one attempt is: what it has received, and how long it may still take."""

    def __init__(self, clock: Clock, *, total_seconds: float) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + total_seconds
        self.received_bytes = 0

    @property
    def expired(self) -> bool:
        """Whether the attempt has used up its time."""
        return self._clock.monotonic() >= self._ends

    def clip(self, timeout: float | None) -> float:
        """Return the timeout of the next socket operation; 0 when there is no time left."""
        left = max(0.0, self._ends - self._clock.monotonic())
        return left if timeout is None else min(timeout, left)

    def slices(self, seconds: float) -> Iterator[tuple[float, bool]]:
        """Yield `seconds` in pieces, each with whether it is the last.

        Raises:
            Stopped: before a piece, when the process is to stop.
        """
        while True:
            self._clock.check()
            piece = min(seconds, STOP_CHECK_SECONDS)
            seconds -= piece
            yield piece, seconds <= 0
            if seconds <= 0:
                return


_CURRENT: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def within(progress: Progress) -> Iterator[None]:
    """Let `progress` bound every socket operation inside the block: connections are shared."""
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every read and write ends with the attempt that makes it."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come.

        Raises:
            httpcore.ReadTimeout: nothing came in time, or the attempt's time is up.
            Stopped: the process is to stop.
        """
        progress = _CURRENT.get()
        if progress is None:
            return self._inner.read(max_bytes, timeout)
        patience = _positive(progress.clip(timeout), httpcore.ReadTimeout)
        for piece, last in progress.slices(patience):
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
            timeout = _positive(progress.clip(timeout), httpcore.WriteTimeout)
        self._inner.write(buffer, timeout)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the encrypted stream; the name checked is the host's, not the address."""
        return DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks about the socket."""
        return self._inner.get_extra_info(info)


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that the policy permits, and to nothing else.

    Args:
        policy: judges each address.
        resolver: asked once per connection, so no second answer can differ from the checked one.
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
            httpcore.ConnectError, httpcore.ConnectTimeout: nobody there.
        """
        wait = timeout or 10.0
        addresses = self._permitted(host, resolve(self._resolver, host, port, seconds=wait))
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

    def _permitted(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        permitted = [address for address in addresses if self._policy.permits(address)]
        if addresses and not permitted:
            # The addresses go to the log alone: a manifest's author may not learn internal ones.
            _LOG.warning("egress denied", extra={"host": host, "addresses": list(addresses)[:8]})
            raise Permanent(
                Reason.EGRESS_DENIED,
                f"{host[:80]} is not at a public address, so nothing was sent. If sources may "
                f"reach it, add its range of addresses to {ALLOW_SETTING}.",
            )
        return permitted


def resolve(resolver: Resolver, host: str, port: int, *, seconds: float) -> Sequence[str]:
    """Return the addresses of `host`, bounding in time what the system's resolver does not.

    Raises:
        httpcore.ConnectError: there is no such name.
        httpcore.ConnectTimeout: no answer in time.
    """
    outcome: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - handed over to the waiting thread
            outcome.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = outcome.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from None
    if isinstance(found, Exception):
        raise httpcore.ConnectError(f"the name does not resolve: {found}") from found
    return found


def open_pool(
    limits: HttpLimits,
    *,
    egress: EgressPolicy,
    resolver: Resolver,
    ssl_context: ssl.SSLContext | None,
) -> httpcore.ConnectionPool:
    """Return a pool of checked HTTP/1.1 connections: no proxy, no environment, no cookies."""
    return httpcore.ConnectionPool(
        ssl_context=ssl_context,
        max_connections=limits.max_connections,
        keepalive_expiry=15.0,
        network_backend=CheckedBackend(egress, resolver),
    )


def _positive(seconds: float, timeout: type[httpcore.TimeoutException]) -> float:
    # A socket timeout of 0 would mean non-blocking.
    if seconds <= 0:
        raise timeout("the attempt's time is up")
    return seconds
