"""A TCP server that does to its clients exactly what a test scripts, byte by byte."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

Behaviour = Callable[[socket.socket], bool]
"""Answers one request. Returns whether the connection stays open for another."""


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    head: bytes

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.split(": ", 1) for line in lines if ": " in line)
        return {name.lower(): value for name, value in pairs}


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Behaviour:
    """Send a well-formed answer; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    head = f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode("latin-1")

    def behave(connection: socket.socket) -> bool:
        connection.sendall(head)
        connection.sendall(body)
        return True

    return behave


def raw(*pieces: bytes) -> Behaviour:
    """Send these bytes, whatever they are, and close."""
    return endless(pieces)


def endless(pieces: Iterable[bytes]) -> Behaviour:
    """Send pieces until there are none or nobody listens any more, and close."""

    def behave(connection: socket.socket) -> bool:
        for piece in pieces:
            connection.sendall(piece)
        return False

    return behave


def silent(connection: socket.socket) -> bool:
    """Say nothing until the client gives up."""
    connection.recv(1)
    return False


def hang_up(_: socket.socket) -> bool:
    """Close without a word."""
    return False


def reset_after(data: bytes) -> Behaviour:
    """Send some bytes, then break the connection off with a TCP reset."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return behave


def truncated(body: bytes, *, sent: int, **headers: str) -> Behaviour:
    """Announce the whole body and send only its first bytes."""
    lines = "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in headers.items())
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode()
    return raw(head + body[:sent])


class Wire:
    """Serves each request with the next behaviour; the last one is for all that follow."""

    def __init__(self, *script: Behaviour, host: str = "127.0.0.1") -> None:
        self._script = itertools.chain(script[:-1], itertools.repeat(script[-1]))
        self._listener = socket.create_server((host, 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.received: list[Received] = []
        self.connections = 0
        self.port = self._listener.getsockname()[1]

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while head := _read_head(connection):
                with self._lock:
                    self.received.append(Received(head))
                    behave = next(self._script)
                if not behave(connection):
                    break
        except OSError:
            pass  # the client is gone, or the test is over
        finally:
            connection.close()


def _read_head(connection: socket.socket) -> bytes:
    """Return a request's head, or the first bytes of something that is no HTTP (TLS)."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(65536)
        if not piece:
            return b""
        head += piece
        if not head.startswith(b"GET "):
            break
    return head
