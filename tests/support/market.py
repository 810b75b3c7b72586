"""A fake CoinPaprika and CoinGecko for a test: in this process, or in one of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hack.market import Control, Market, MarketClock, MarketServer, UniverseSettings
from hack.market.clock import NOON
from hack.market.commands import execute
from hack.market.control import ControlError, Send, over_http
from hack.market.jsontext import dump_command, load_command

Headers = dict[str, str]
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Fetched:
    """An answer, read to its end by a client that trusts nobody."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return the body parsed, with exact numbers."""
        return json.loads(self.body, parse_float=Decimal)


@dataclass(frozen=True)
class RunningMarket:
    """A market that is up."""

    url: str
    """`http://127.0.0.1:<port>`, without a slash at the end."""
    control: Control

    @property
    def paprika_url(self) -> str:
        """What `coinPaprika.baseUrl` is set to."""
        return f"{self.url}/v1"

    @property
    def gecko_url(self) -> str:
        """What `coinGecko.baseUrl` is set to."""
        return f"{self.url}/api/v3"

    @property
    def paprika_pro_url(self) -> str:
        """The host of paid CoinPaprika keys."""
        return f"{self.url}/pro/v1"

    @property
    def gecko_pro_url(self) -> str:
        """The host of CoinGecko pro keys."""
        return f"{self.url}/pro/api/v3"

    @property
    def csv_url(self) -> str:
        """The CSV file."""
        return f"{self.url}/csv/coins.csv"

    def fetch(self, target: str, headers: Headers | None = None, *, method: str = "GET") -> Fetched:
        """Ask for a path and query on a connection of its own; follow nothing, decode nothing."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)) as link:
            link.request(method, target, headers=headers or {})
            answer = link.getresponse()
            return Fetched(answer.status, answer.headers, answer.read())

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every request so far, oldest first."""
        return self.control.log()


@contextmanager
def running_market(
    *,
    start: datetime | None = NOON,
    frozen: bool = True,
    recordings: dict[str, Path] | None = None,
    **settings: int,
) -> Iterator[RunningMarket]:
    """Run a market in a background thread on a free port.

    Args:
        start: its clock's first time; None is the machine's.
        frozen: its wall time moves by `control.advance` alone.
        recordings: vendor -> recorded JSON file.
        settings: fields of `UniverseSettings`; 100 coins by default.
    """
    clock = MarketClock(start, frozen=frozen)
    market = Market(UniverseSettings(**settings), clock=clock, recordings=recordings)
    server = MarketServer(market)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(server.start())
        thread = threading.Thread(target=loop.run_forever, name="market", daemon=True)
        thread.start()
        try:
            yield RunningMarket(server.url, Control(_in_process(loop, market)))
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


@contextmanager
def market_process(*options: str) -> Iterator[RunningMarket]:
    """Run a market in a process of its own, for tests that measure memory or kill things.

    Args:
        options: command line options beside the port; the clock is frozen at noon.
    """
    command = [sys.executable, "-m", "hack.market", "--port", "0", "--frozen"]
    command += ["--start", NOON.isoformat(), *options]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the market did not start: exit {process.wait()}"
            url = line.split()[1].removesuffix("/v1")
            yield RunningMarket(url, Control(over_http(url)))
        finally:
            process.terminate()


def _in_process(loop: asyncio.AbstractEventLoop, market: Market) -> Send:
    """Return commands that run on the server's loop, through the same JSON as over HTTP."""

    def send(verb: str, arguments: Any) -> Any:
        async def run() -> Any:
            return execute(market, verb, load_command(dump_command(arguments)))

        try:
            return asyncio.run_coroutine_threadsafe(run(), loop).result(timeout=60)
        except (LookupError, ValueError, TypeError, OSError) as error:
            raise ControlError(str(error)) from error

    return send
