"""CSV files to load: many coins at one time, or few coins at many times. Same seed, same bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HEADER = (
    "id,symbol,name,rank,price_usd,market_cap_usd,volume_24h_usd,percent_change_24h,created_at\n"
)
SNAPSHOT, HISTORY = "snapshot", "history"
SHAPES = (SNAPSHOT, HISTORY)
COINS_OF_A_HISTORY = 100
BORN = datetime(2015, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
COINS_PER_SYMBOL_RANGE = 4 / 3
"""A quarter of a snapshot's coins share their ticker with another one."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One state of an upstream's file."""

    shape: str
    rows: int
    price_seed: int = 0
    """Another one changes the price in every row."""


def _row(number: int, moment: datetime, order: int, *, seed: int, symbols: int) -> str:
    digits = random.Random(number * 1_000_003 + order * 31 + seed)  # noqa: S311
    name = hashlib.blake2b(str(number).encode(), digest_size=6).hexdigest()
    price = f"{digits.randrange(1, 10**6)}.{digits.randrange(10**8):08d}"
    return (
        f"coin-{name},C{number % symbols},Coin {name},{number + 1},{price},"
        f"{digits.randrange(10**11)},{digits.randrange(10**9)}.{digits.randrange(100):02d},"
        f"{digits.randrange(-9999, 9999) / 100:.2f},{moment.isoformat()}\n"
    )


def _snapshot(wanted: Pass) -> Iterator[str]:
    numbers = list(range(wanted.rows))
    random.Random(7).shuffle(numbers)  # noqa: S311 - ids in no order, as hashes are
    symbols = max(1, int(wanted.rows / COINS_PER_SYMBOL_RANGE))
    moment = NOW + timedelta(minutes=5 * wanted.price_seed)
    for number in numbers:
        yield _row(number, moment, 0, seed=wanted.price_seed, symbols=symbols)


def _history(wanted: Pass) -> Iterator[str]:
    """Coin after coin, each hour by hour, as published histories are."""
    each = -(-wanted.rows // COINS_OF_A_HISTORY)
    for row in range(wanted.rows):
        number, hour = divmod(row, each)
        moment = BORN + timedelta(hours=hour)
        yield _row(number, moment, hour, seed=wanted.price_seed, symbols=COINS_OF_A_HISTORY)


def write_csv(path: Path, wanted: Pass) -> None:
    """Write a file, over whatever is there."""
    rows = _snapshot(wanted) if wanted.shape == SNAPSHOT else _history(wanted)
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        file.writelines(rows)


def write_manifest(path: Path, csv: Path, *, batch_size: int) -> None:
    """Write the manifest of a source that reads the file `csv`."""
    path.write_text(
        f"""apiVersion: cryptosource.io/v1alpha1
kind: CryptoSource
metadata: {{name: bench}}
spec:
  type: CSV
  csv:
    path: {csv}
    columns: {{externalId: id, rank: rank}}
  schedule: "*/5 * * * *"
  batchSize: {batch_size}
  activeDeadlineSeconds: 3600
""",
        encoding="utf-8",
    )
