"""A coin with a history worth exporting, clients that export it, and what Postgres sees of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

from cryptosource_store.engine import session_engine
from support.api import NOON, RUN, Market
from support.oracle import value
from support.serving import ServedApi
from support.waits import read_until

LONG_QUOTES = """
  INSERT INTO quotes (asset_id, source_id, observed_at, price_usd, market_cap_usd,
                      volume_24h_usd, percent_change_24h, rank, run_id, raw_id, digest)
  SELECT :asset, :source, :newest - n * interval '1 second', n / 7.0, n * 1000, n * 10, -1.5, 1,
         :run, 1, gen_random_uuid()
    FROM generate_series(1, :rows) n"""
OPEN_EXPORTS = """
  SELECT count(*) FROM pg_stat_activity
   WHERE datname = current_database() AND pid <> pg_backend_pid()
     AND (application_name = 'cryptosource-export' OR state LIKE 'idle in transaction%')"""
LAST_CHUNK = b"\r\n0\r\n\r\n"
"""What alone tells a client that it has everything."""


def long_history(url: URL, rows: int) -> None:
    """Give the coin BTC so many quotes, a second apart, and one more."""
    engine = session_engine(url, application="cryptosource-tests")
    with Market(engine) as market:
        source = market.source("gecko")
        asset = market.coin("BTC", source)
        market.quote(asset, source, NOON)
        bound = {"asset": asset, "source": source, "newest": NOON, "run": str(RUN), "rows": rows}
        market.run_sql(LONG_QUOTES, **bound)
    engine.dispose()


def open_exports(url: URL) -> int:
    """Return how many sessions of exports, or idle in any transaction, the database has."""
    return int(value(url, OPEN_EXPORTS))


@contextmanager
def begun(
    api: ServedApi, target: str, *, window: int | None = 4096
) -> Iterator[tuple[socket.socket, bytes]]:
    """Yield a connection whose export has begun, and what came of it; nothing more is read.

    Args:
        api: what to ask.
        target: path and query.
        window: bytes that the client's system takes unread; None leaves it as it is.
    """
    with socket.socket() as link:
        if window is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        link.settimeout(60)
        link.connect(("127.0.0.1", api.port))
        link.sendall(f"GET {target} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        yield link, link.recv(1024)


def rest_of(link: socket.socket) -> bytes:
    """Read up to the last chunk, or to the end of the connection; a reset is one too."""
    return read_until(link, lambda read: read.endswith(LAST_CHUNK), what="the last chunk")
