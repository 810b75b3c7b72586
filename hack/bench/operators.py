"""The operator as the process that it is in a cluster, watched from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hack.bench.process_figures import cpu_seconds, peak_rss_bytes
from hack.cluster import ports
from sqlalchemy import URL

POLL_SECONDS = 0.02
INHERITED = ("PATH", "HOME", "LANG", "TZ")


class Operator:
    """A running operator.

    Args:
        process: its process.
        port: of its probes and metrics.
        began: when it was started, by `time.perf_counter`.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int, began: float) -> None:
        self._process = process
        self._address = f"http://127.0.0.1:{port}"
        self.began = began

    def cpu(self) -> float:
        """Return the processor time it has used, in seconds."""
        return cpu_seconds(self._process.pid)

    def peak_rss_bytes(self) -> int:
        """Return the most memory it has held."""
        return peak_rss_bytes(self._process.pid)

    async def ready(self) -> None:
        """Wait until it has read the first lists."""
        while not await asyncio.to_thread(self._answers, "/readyz"):  # noqa: ASYNC110 - a process
            await asyncio.sleep(POLL_SECONDS)

    async def looked_at(self, count: int) -> float:
        """Wait until it has reconciled so many sources and no more wait; return when that was."""
        while True:
            figures = await asyncio.to_thread(self._metrics)
            done = figures.get('cryptosource_operator_reconcile_total{result="success"}', 0.0)
            waiting = figures.get("cryptosource_operator_workqueue_depth", 1.0)
            if done >= count and waiting == 0:
                return time.perf_counter()
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        """Ask it to end, and make it end if it does not."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), timeout=30)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self._address + path, timeout=5):  # noqa: S310 - ours
                return True
        except OSError:
            return False

    def _metrics(self) -> dict[str, float]:
        try:
            with urllib.request.urlopen(f"{self._address}/metrics", timeout=5) as answer:  # noqa: S310
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


@asynccontextmanager
async def operating(kubeconfig: Path, database: URL, log: Path) -> AsyncIterator[Operator]:
    """Start an operator with its default settings and end it by all means.

    Args:
        kubeconfig: who it is.
        database: its Postgres.
        log: what it says is written there.
    """
    (port,) = ports.free(1)
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "KUBECONFIG": str(kubeconfig),
        "DATABASE_URL": database.render_as_string(hide_password=False),
        "CRYPTOSOURCE_ETL_IMAGE": "cryptosource-etl:bench",
        "CRYPTOSOURCE_OPERATOR_HOST": "127.0.0.1",
        "CRYPTOSOURCE_OPERATOR_PORT": str(port),
    }
    command = str(Path(sys.executable).parent / "cryptosource")
    with log.open("ab") as stream:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            command, "operator", env=environment, stdout=stream, stderr=stream
        )
    operator = Operator(process, port, began)
    try:
        yield operator
    finally:
        await operator.stop()
