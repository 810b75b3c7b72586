"""A hundred clients and one that never reads, on a server in a process of its own."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
import time
from pathlib import Path

from sqlalchemy import URL

from support.commands import environment
from support.readers import coin
from support.runs import load
from support.serving import ServedApi, serving
from support.streams import listening
from support.waits import eventually

CLIENTS = 100
LOADS = 30
COINS = 400
"""Records of a load: some 150 KB for each client."""
MAX_GROWTH_MIB = 64
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
DEADLINE_SECONDS = 60
"""Far beyond a second, which is what is promised: this machine may be busy."""


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB / 1024


class Reader(threading.Thread):
    """Notes when it was told of each load, by the price that the load gives every coin."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.ready = threading.Event()
        self.told: dict[int, float] = {}

    def run(self) -> None:
        with listening(self.port) as client:
            for event in client.events():
                if event.name == "open":
                    self.ready.set()
                elif event.name == "change" and event.data["complete"]:
                    self.told.setdefault(int(event.data["data"][0]["price_usd"]), time.monotonic())
                elif event.name == "dropped":
                    return


def one_load(database: URL, number: int) -> None:
    outcome = load(
        database,
        [coin(f"c{n}", symbol=f"C{n}", price=str(number), at=number) for n in range(COINS)],
    )
    assert outcome.status == "success", outcome.message


def server_pid(api: ServedApi) -> int:
    return api.command.process.pid


def test_everybody_is_told_at_once_while_one_client_never_reads(
    database: URL, tmp_path: Path, capsys
):
    env = environment(
        database,
        tmp_path,
        CRYPTOSOURCE_API_STREAM_STALL_SECONDS="2",
        CRYPTOSOURCE_API_STREAM_BACKLOG_BYTES=str(2 * 1024**2),
    )
    one_load(database, 1)
    with serving("api", env=env, folder=tmp_path, name="api") as api:
        silent = socket.create_connection(("127.0.0.1", api.port))
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.sendall(b"GET /data/stream HTTP/1.1\r\nHost: api\r\n\r\n")
        readers = [Reader(api.port) for _ in range(CLIENTS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            assert reader.ready.wait(DEADLINE_SECONDS)
        one_load(database, 2)
        eventually(lambda: all(2 in reader.told for reader in readers))
        before = resident_mib(server_pid(api))

        committed = {}
        for number in range(3, LOADS + 1):
            one_load(database, number)
            committed[number] = time.monotonic()
        eventually(lambda: all(LOADS in reader.told for reader in readers))
        growth = resident_mib(server_pid(api)) - before

        late = [
            reader.told[number] - committed[number]
            for reader in readers
            for number in committed
            if number in reader.told
        ]
        assert all(set(committed) <= set(reader.told) for reader in readers)
        with capsys.disabled():
            late.sort()
            print(
                f"\n{CLIENTS} SSE clients, {len(late)} changes of {COINS} records: told "
                f"p50 {late[len(late) // 2]:.3f} s, p99 {late[len(late) * 99 // 100]:.3f} s, at most "
                f"{late[-1]:.3f} s after the load had ended; memory +{growth:.1f} MiB"
            )
        assert max(late) < DEADLINE_SECONDS
        assert growth < MAX_GROWTH_MIB

        api.command.signal(signal.SIGTERM)
        assert api.command.wait(DEADLINE_SECONDS) == 0
        silent.close()


def test_a_client_that_stops_reading_is_let_go_and_another_has_its_place(
    database: URL, tmp_path: Path
):
    env = environment(
        database,
        tmp_path,
        CRYPTOSOURCE_API_STREAM_STALL_SECONDS="1",
        CRYPTOSOURCE_API_STREAM_CLIENTS="1",
    )
    one_load(database, 1)
    with (
        serving("api", env=env, folder=tmp_path, name="api") as api,
        socket.create_connection(("127.0.0.1", api.port)) as silent,
    ):
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.sendall(b"GET /data/stream HTTP/1.1\r\nHost: api\r\n\r\n")
        silent.recv(100)
        numbers = itertools.count(2)

        def has_room() -> bool:
            one_load(database, next(numbers))
            with listening(api.port) as client:
                return client.status == 200

        eventually(has_room)
