"""What the database holds on disk, and whether its partitions reach far enough ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.health.queries import rfc3339
from cryptosource_store.maintenance import Partition, months_ahead, read_partitions
from cryptosource_store.statements import maintenance as sql


def describe_tables(
    partitions: Iterable[Partition], sizes: Mapping[str, int], now: datetime
) -> list[dict[str, Any]]:
    """Return an entry for each partitioned table. Pure.

    Args:
        partitions: every month and every raw branch.
        sizes: bytes by table.
        now: an aware time.
    """
    months: dict[str, list[Partition]] = {}
    for partition in partitions:
        held = months.setdefault(partition.branch or partition.root, [])
        if partition.lower is not None:
            held.append(partition)
    return [
        {"table": table, "bytes": sizes.get(table, 0), **_reach(held, now)}
        for table, held in sorted(months.items())
    ]


def _reach(held: Sequence[Partition], now: datetime) -> dict[str, Any]:
    present = {(each.lower.year, each.lower.month) for each in held if each.lower}
    this_month, next_month = months_ahead(now, 1)
    lower = [each.lower for each in held if each.lower]
    upper = [each.upper for each in held if each.upper]
    return {
        "partitions": len(held),
        "first": rfc3339(min(lower, default=None)),
        "end": rfc3339(max(upper, default=None)),
        "months_ahead": sum(month > this_month for month in present),
        "next_month_ready": next_month in present,
    }


def read_storage(connection: Connection) -> dict[str, Any]:
    """Return the database's size and its partitions."""
    database = connection.execute(sql.DATABASE_SIZE).one()
    sizes = {row.name: row.bytes for row in connection.execute(sql.TABLE_SIZES)}
    tables = describe_tables(read_partitions(connection), sizes, database.now)
    return {"bytes": database.database_bytes, "tables": tables}
