"""The process that asks: a few connections, each of which asks again once it is answered.

`python -m hack.bench.requests PORT`, a job as JSON on standard input, its figures as JSON on
standard output. One thread and one epoll, without a parser: what it costs must not be what is
measured. `busy` tells how much of its core it used; near 1 it was the bottleneck.
"""

from __future__ import annotations

import itertools
import json
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
CHUNK = 1 << 20


@dataclass
class Connection:
    """One of them."""

    link: socket.socket
    asked_at: float = 0.0
    missing: int = -1
    """Bytes of the answer that are still to come; -1 while its head is not complete."""
    head: bytearray = field(default_factory=bytearray)


class Wrong(Exception):
    """An answer is not the one that is measured."""


class Asking:
    """Asks the same requests in turn.

    Args:
        port: of the server on this machine.
        targets: paths with their queries.
        headers: lines of each request's head.
        status: what each answer must have.
    """

    def __init__(self, port: int, *, targets: list[str], headers: list[str], status: int) -> None:
        lines = "".join(f"{line}\r\n" for line in ["Host: bench", *headers])
        requests = [f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode() for target in targets]
        self._requests = itertools.cycle(requests)
        self._port = port
        self._status = str(status).encode()
        self.seconds: list[float] = []

    def run(self, *, connections: int, seconds: float) -> float:
        """Ask for that long; return how long it took in fact."""
        selector = selectors.DefaultSelector()
        began = time.perf_counter()
        for _ in range(connections):
            link = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each = Connection(link)
            selector.register(link, selectors.EVENT_READ, each)
            self._ask(each)
        until = began + seconds
        while (now := time.perf_counter()) < until:
            for key, _ in selector.select(timeout=1.0):
                self._read(key.data)
        for key in list(selector.get_map().values()):
            key.data.link.close()
        return now - began

    def _ask(self, each: Connection) -> None:
        each.missing = -1
        each.head.clear()
        each.asked_at = time.perf_counter()
        each.link.sendall(next(self._requests))

    def _read(self, each: Connection) -> None:
        received = each.link.recv(CHUNK)
        if not received:
            raise Wrong("the server closed a connection")
        if each.missing >= 0:
            each.missing -= len(received)
        else:
            each.head += received
            end = each.head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._check(each, end)
        if each.missing == 0:
            self.seconds.append(time.perf_counter() - each.asked_at)
            self._ask(each)

    def _check(self, each: Connection, end: int) -> None:
        status = _STATUS.match(each.head)
        if status is None or status[1] != self._status:
            raise Wrong(bytes(each.head[:300]).decode("latin-1"))
        length = _LENGTH.search(each.head, 0, end + 2)
        body = int(length[1]) if length else 0
        each.missing = end + 4 + body - len(each.head)


def main() -> int:
    """Ask as told; return 1 when an answer was not the expected one."""
    job: dict[str, Any] = json.load(sys.stdin)
    asking = Asking(
        int(sys.argv[1]), targets=job["targets"], headers=job["headers"], status=job["status"]
    )
    before = time.process_time()
    try:
        took = asking.run(connections=job["connections"], seconds=job["seconds"])
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    used = time.process_time() - before
    asking.seconds.sort()
    count = len(asking.seconds)
    print(
        json.dumps(
            {
                "count": count,
                "per_second": count / took,
                "p50_ms": asking.seconds[count // 2] * 1000,
                "p99_ms": asking.seconds[count * 99 // 100] * 1000,
                "busy": used / took,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
