"""Clients of a live stream over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptosource_api.http.server import ApiServer
from support.waits import WAIT_SECONDS, Deadline


@dataclass
class SseEvent:
    """One event, or with the name `heartbeat` a comment."""

    name: str = ""
    id: str | None = None
    data: Any = None


@dataclass
class SseClient:
    """Reads one stream."""

    link: socket.socket
    status: int
    headers: dict[str, str]
    file: Any
    body: str = ""
    last_id: str | None = field(default=None)

    def lines(self) -> Iterator[str]:
        """Return the stream's lines, taken out of their chunks, until it ends."""
        rest = b""
        while True:
            size = int(self.file.readline() or b"0", 16)
            rest += self.file.read(size)
            self.file.readline()
            if size == 0:
                return
            *whole, rest = rest.split(b"\n")
            yield from (line.decode() for line in whole)

    def events(self) -> Iterator[SseEvent]:
        """Return the events until the stream ends."""
        event = SseEvent()
        for line in self.lines():
            if line.startswith(":"):
                yield SseEvent(name="heartbeat")
            elif line:
                name, _, value = line.partition(": ")
                if name == "event":
                    event.name = value
                elif name == "id":
                    event.id = self.last_id = value
                elif name == "data":
                    event.data = json.loads(value)
            elif event.name:
                yield event
                event = SseEvent()


def heard(client: SseClient, *names: str) -> SseEvent:
    """Return the next event with one of these names."""
    with Deadline(f"an event {' or '.join(names)}") as deadline:
        for event in client.events():
            if event.name in names:
                return event
            deadline.left()
    raise AssertionError(f"the stream has ended without an event {' or '.join(names)}")


def port_of(server: ApiServer) -> int:
    """Return the port that a server has been given."""
    return int(server.url.rpartition(":")[2])


@contextmanager
def listening(port: int, query: str = "", **headers: str) -> Iterator[SseClient]:
    """Connect to `/data/stream`."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as link:
        given = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        link.sendall(f"GET /data/stream?{query} HTTP/1.1\r\nHost: api\r\n{given}\r\n".encode())
        with link.makefile("rb") as file:
            status = int(file.readline().split()[1])
            pairs = {}
            while line := file.readline().strip():
                name, _, value = line.decode().partition(": ")
                pairs[name.lower()] = value
            client = SseClient(link, status, pairs, file)
            if "content-length" in pairs:
                client.body = file.read(int(pairs["content-length"])).decode()
            yield client
