"""`python -m hack.market --port 9100`: a market for people."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from hack.market import Market, MarketClock, MarketServer, UniverseSettings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hack.market", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 takes a free one")
    parser.add_argument("--coins", type=int, default=1000, help="coins each vendor lists")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--overlap-percent", type=int, default=60, help="coins both vendors list")
    parser.add_argument("--refresh-seconds", type=int, default=60, help="life of a snapshot")
    parser.add_argument("--moving-every", type=int, default=1, help="1/n of the coins move at each")
    parser.add_argument("--start", type=datetime.fromisoformat, help="the clock's first time")
    parser.add_argument("--frozen", action="store_true", help="the clock moves on command alone")
    parser.add_argument("--paprika-file", type=Path, help="a recorded /tickers answer to serve")
    parser.add_argument("--gecko-file", type=Path, help="a recorded /coins/markets answer")
    return parser.parse_args()


def _market(options: argparse.Namespace) -> Market:
    start: datetime | None = options.start
    if start is not None and start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    files = {"paprika": options.paprika_file, "gecko": options.gecko_file}
    settings = UniverseSettings(
        coins=options.coins,
        seed=options.seed,
        overlap_percent=options.overlap_percent,
        refresh_seconds=options.refresh_seconds,
        moving_every=options.moving_every,
    )
    return Market(
        settings,
        clock=MarketClock(start, frozen=options.frozen),
        recordings={vendor: path for vendor, path in files.items() if path is not None},
    )


async def _serve(server: MarketServer) -> None:
    await server.start()
    print(f"CoinPaprika  {server.url}/v1\nCoinGecko    {server.url}/api/v3")
    print(f"CSV          {server.url}/csv/coins.csv\nControl      {server.url}/_control/state")
    sys.stdout.flush()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop()


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _arguments()
    try:
        market = _market(options)
    except (ValueError, OSError) as error:
        print(f"market: {error}", file=sys.stderr)
        return 2
    server = MarketServer(market, host=options.host, port=options.port)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(server))
    except (OSError, OverflowError) as error:
        print(f"market: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
