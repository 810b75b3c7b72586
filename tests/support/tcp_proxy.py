"""A proxy before Postgres that counts what the client says and hangs up where a test wants."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

_LENGTH = 4
_FRAME_HEAD = 5


@dataclass
class PostgresProxy:
    """Passes clients' messages on, up to a limit."""

    url: URL
    """Connect to this."""
    cut_after: tuple[int, int] | None = None
    """Hang up on a session (from 0, in the order of connecting) once that many of its messages have
    been passed on; their answer to the last is lost."""
    sessions: list[list[str]] = field(default_factory=list)
    """What each client said: the type of each message, with the text of queries."""
    cut: bool = False


def _server_address(url: URL) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    host = url.query.get("host") or url.host or "localhost"
    port = url.port or 5432
    assert isinstance(host, str)
    if host.startswith("/"):
        return socket.AF_UNIX, f"{host}/.s.PGSQL.{port}"
    return socket.AF_INET, (host, port)


def _receive(link: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = link.recv(count - len(received))
        if not piece:
            raise ConnectionError
        received += piece
    return received


def _message(link: socket.socket, *, first: bool) -> tuple[str, bytes]:
    """Return the next message of a client: what it is, and its bytes."""
    head = _receive(link, _LENGTH if first else _FRAME_HEAD)
    body = _receive(link, int.from_bytes(head[-_LENGTH:], "big") - _LENGTH)
    kind = "startup" if first else chr(head[0])
    return (f"Q {body[:-1].decode()}" if kind == "Q" else kind), head + body


def _drain(link: socket.socket) -> None:
    """Read until the server has answered the last message, so that its work is surely done."""
    with contextlib.suppress(ConnectionError, OSError):
        while True:
            head = _receive(link, _FRAME_HEAD)
            _receive(link, int.from_bytes(head[1:], "big") - _LENGTH)
            if head[:1] in b"ZG":  # ready for a query, or for the lines of a COPY
                return


def _serve(
    proxy: PostgresProxy, session: int, client: socket.socket, server: socket.socket
) -> None:
    """Pass messages and answers by turns: a client of simple queries never talks out of turn."""
    said_so_far = proxy.sessions[session]
    while True:
        said, data = _message(client, first=not said_so_far)
        said_so_far.append(said)
        server.sendall(data)
        last = (session, len(said_so_far)) == proxy.cut_after
        if said in {"X", "d"}:
            if said == "X" or last:
                proxy.cut |= last
                return
            continue
        if last:
            proxy.cut = True
            _drain(server)
            return
        _pass_answer(server, client)


def _pass_answer(server: socket.socket, client: socket.socket) -> None:
    while True:
        head = _receive(server, _FRAME_HEAD)
        body = _receive(server, int.from_bytes(head[1:], "big") - _LENGTH)
        client.sendall(head + body)
        if head[:1] in b"ZG":
            return


def _accept(proxy: PostgresProxy, listener: socket.socket, server: URL) -> None:
    threads = []
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            if proxy.cut:
                client.close()
                continue
            proxy.sessions.append([])
            arguments = (proxy, len(proxy.sessions) - 1, client, server)
            threads.append(threading.Thread(target=_relay, args=arguments, daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _relay(proxy: PostgresProxy, session: int, client: socket.socket, server: URL) -> None:
    family, address = _server_address(server)
    with client, socket.socket(family, socket.SOCK_STREAM) as upstream:
        upstream.connect(address)
        with contextlib.suppress(ConnectionError):
            _serve(proxy, session, client, upstream)


@contextmanager
def postgres_proxy(
    server: URL, *, cut_after: tuple[int, int] | None = None
) -> Iterator[PostgresProxy]:
    """Run a proxy; once it has hung up on one session, it lets nobody else in.

    Args:
        server: the URL of the real database.
        cut_after: see `PostgresProxy`; None never cuts.
    """
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(Path(folder) / ".s.PGSQL.5432"))
        listener.listen()
        url = server.set(host=None, port=None).update_query_dict({"host": folder})
        proxy = PostgresProxy(url, cut_after)
        thread = threading.Thread(target=_accept, args=(proxy, listener, server), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
