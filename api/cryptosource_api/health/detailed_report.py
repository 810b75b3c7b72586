"""The detailed health report: schema, storage, partitions, and this process."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.app_state import AppState
from cryptosource_api.health.queries import (
    down,
    overall,
    read_detailed_sources,
    read_revision,
    rfc3339,
)
from cryptosource_store.maintenance import Partition, months_ahead, read_partitions
from cryptosource_store.statements import maintenance as sql

STATUS = Path("/proc/self/status")


def read_detailed_health(services: AppState, connection: Connection) -> dict[str, Any]:
    """Return the parts of the report that come from the database.

    Args:
        services: the application's state, which knows the schema that it needs.
        connection: to read with.
    """
    revision = read_revision(connection)
    migrations = {
        "current": revision,
        "expected": services.needed_revision,
        "usable": services.works_on(revision),
    }
    if not migrations["usable"]:
        # The other queries may fail on such a schema, and would hide the reason.
        outdated = down("SchemaOutdated", "The schema is not ready; run `cryptosource migrate`")
        return {**outdated, "storage": None, "migrations": migrations}
    sources = read_detailed_sources(connection)
    return {**overall(sources), "storage": read_storage(connection), "migrations": migrations}


def read_storage(connection: Connection) -> dict[str, Any]:
    """Return the database's size and its partitioned tables."""
    database = connection.execute(sql.DATABASE_SIZE).one()
    sizes = {row.name: row.bytes for row in connection.execute(sql.TABLE_SIZES)}
    tables = describe_tables(read_partitions(connection), sizes, database.now)
    return {"bytes": database.database_bytes, "tables": tables}


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
        of_table = months.setdefault(partition.branch or partition.root, [])
        if partition.lower is not None:
            of_table.append(partition)
    return [
        {"table": table, "bytes": sizes.get(table, 0), **_describe_months(of_table, now)}
        for table, of_table in sorted(months.items())
    ]


def _describe_months(partitions: Sequence[Partition], now: datetime) -> dict[str, Any]:
    present = {(each.lower.year, each.lower.month) for each in partitions if each.lower}
    this_month, next_month = months_ahead(now, 1)
    lower = [each.lower for each in partitions if each.lower]
    upper = [each.upper for each in partitions if each.upper]
    return {
        "partitions": len(partitions),
        "first": rfc3339(min(lower, default=None)),
        "end": rfc3339(max(upper, default=None)),
        "months_ahead": sum(month > this_month for month in present),
        "next_month_ready": next_month in present,
    }


def describe_process(*, started: float) -> dict[str, Any]:
    """Return the report on this process.

    Args:
        started: `time.monotonic()` when the application was created.
    """
    return {
        "version": version("cryptosource"),
        "python": ".".join(map(str, sys.version_info[:3])),
        "uptime_seconds": round(time.monotonic() - started, 3),
        "threads": threading.active_count(),
        "resident_bytes": resident_bytes(),
        "most_resident_bytes": most_resident_bytes(),
    }


def resident_bytes(status: Path = STATUS) -> int | None:
    """Return the present memory of the process; None where there is no /proc."""
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    resident = [line.split() for line in lines if line.startswith("VmRSS:")]
    return int(resident[0][1]) * 1024 if resident else None


def most_resident_bytes() -> int:
    """Return the largest memory that the process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS reports bytes, Linux KiB
