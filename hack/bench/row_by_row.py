"""Floor 2: the same rows into the same tables, as one would write it first.

Row by row with a commit each, and, for orientation, SQLAlchemy's `insert().values([…])` a thousand
rows at a time. Both do less than the load path: no identity, no tickers, no quarantine.
"""

from __future__ import annotations

import csv
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from cryptosource_etl.records import digest_of
from cryptosource_store.engine import loading_engine
from cryptosource_store.partitions import ensure_quote_partitions, ensure_raw_partitions
from cryptosource_store.tables.market import quotes, quotes_latest, unified
from cryptosource_store.tables.raw import raw_records

Row = dict[str, Any]
PAGE = 1000
SOURCE_ID = 1
RUN_ID = uuid.UUID(int=1)
AMOUNTS = ("price_usd", "market_cap_usd", "volume_24h_usd", "percent_change_24h")


def rows_of(path: Path, count: int) -> list[Row]:
    """Return the first rows of a file, parsed, so that parsing is not measured."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_parsed(row, n) for n, row in enumerate(islice(csv.DictReader(file), count), 1)]


def _parsed(row: dict[str, str], number: int) -> Row:
    return {
        "payload": row,
        "digest": uuid.UUID(digest_of(repr(row).encode())),
        "raw_id": number,
        "external_id": row["id"],
        "symbol": row["symbol"],
        "name": row["name"],
        "rank": int(row["rank"]),
        "observed_at": datetime.fromisoformat(row["created_at"]),
        **{field: Decimal(row[field]) for field in AMOUNTS},
    }


_RAW = ("raw_id", "external_id", "observed_at", "digest", "payload")
_QUOTE = ("asset_id", "observed_at", "rank", *AMOUNTS, "raw_id", "digest")
_LATEST = (*_QUOTE, "external_id", "symbol", "name")
_UNIFIED = ("asset_id", "symbol", "name", "rank", "observed_at", *AMOUNTS)
_CHECKPOINT = text("UPDATE etl_checkpoints SET records_committed = :count WHERE source_id = 1")


def _written(rows: list[Row], now: datetime) -> Iterator[tuple[Table, list[Row], list[str]]]:
    """Yield each table, its rows, and the key on which a row replaces an older one."""
    source = {"source_id": SOURCE_ID}
    run = {**source, "run_id": RUN_ID}
    fixed = {"source_type": "csv", "ingested_at": now, "scrubbed": False}
    yield raw_records, [{k: r[k] for k in _RAW} | run | fixed for r in rows], []
    key = ["asset_id", "source_id", "observed_at"]
    yield quotes, [{k: r[k] for k in _QUOTE} | run for r in rows], key
    latest = [{k: r[k] for k in _LATEST} | run | {"inferred_time": False} for r in rows]
    yield quotes_latest, latest, ["source_id", "external_id"]
    unified_rows = [{k: r[k] for k in _UNIFIED} | source | {"source_ids": [1]} for r in rows]
    yield unified, unified_rows, ["asset_id"]


def _write(connection: Connection, rows: list[Row], now: datetime) -> None:
    for row in rows:
        row["asset_id"] = row["raw_id"]
    for table, values, key in _written(rows, now):
        if not key:
            connection.execute(insert(table).values(values))
            continue
        statement = upsert(table).values(values)
        changes = {name: statement.excluded[name] for name in values[0] if name not in key}
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changes))
    connection.execute(_CHECKPOINT, {"count": rows[-1]["raw_id"]})


def load_pages(url: URL, rows: list[Row], *, page: int) -> float:
    """Load rows of distinct coins, a commit per page; return the seconds it took.

    Args:
        url: a fresh database.
        rows: as `rows_of` returns them.
        page: rows of one statement and one commit; 1 is row by row.
    """
    now = max(row["observed_at"] for row in rows)
    months = {(row["observed_at"].year, row["observed_at"].month) for row in rows}
    with loading_engine(url).connect() as connection:
        with connection.begin():
            ensure_quote_partitions(connection, months)
            ensure_raw_partitions(connection, "csv", {(now.year, now.month)})
        started = time.perf_counter()
        for start in range(0, len(rows), page):
            with connection.begin():
                _write(connection, rows[start : start + page], now)
        return time.perf_counter() - started
