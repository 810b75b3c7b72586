"""Keep the database's growth bounded: partitions ahead, retention behind.

`plan_maintenance` says what there is to do, from the partitions and the time alone; `maintain`
does it, each piece in a transaction of its own that gives up rather than keep a load waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import OperationalError

from cryptosource_store.engine import session_engine
from cryptosource_store.partitions import (
    PARTITION_LOCK,
    ensure_quote_partitions,
    ensure_raw_partitions,
)
from cryptosource_store.settings import SessionTimeouts
from cryptosource_store.statements import maintenance as sql

QUOTE_MONTHS_AHEAD = 2
RAW_MONTHS_AHEAD = 1
RUNS_KEPT = 100
"""The newest runs of each source stay whatever their age."""
BUCKET_IDLE = timedelta(days=1)
REQUEST_KEYS_KEPT = timedelta(days=1)
"""No shorter than `KEYS_KEPT`, within which the same key gets the same answer."""
CHANGES_KEPT = timedelta(days=1)
"""How long whoever follows the data may be away and still go on where it left."""
ROWS_PER_DELETE = 5000

MAINTENANCE_TIMEOUTS = SessionTimeouts(lock_seconds=2)
"""Whoever loads or reads waits for maintenance no longer than that."""

LOCK_TIMEOUT = "55P03"
"""SQLSTATE of a lock that was not had in time."""

Month = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long things are kept, in days; None keeps them for ever."""

    raw_days: int | None = 30
    """Since arrival."""
    quote_days: int | None = None
    """Since the observation."""
    run_days: int = 90
    """Run rows and requests, since their start."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A month of `quotes` or of a raw branch, or a branch itself."""

    root: str
    """`quotes` or `raw_records`."""
    branch: str | None
    """`raw_<source type>`; None for quotes."""
    name: str
    lower: datetime | None
    """First moment inside; None for a branch."""
    upper: datetime | None
    """First moment behind it; None for a branch."""


class ActionKind(StrEnum):
    """What an action does to its table."""

    MAKE = "make"
    DROP = "drop"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One piece of maintenance."""

    kind: ActionKind
    table: str
    """The partition to drop, the parent to make months of, or the table to delete from."""
    months: tuple[Month, ...] = ()
    """Of UTC, to be made."""
    before: datetime | None = None
    """Rows from before that are deleted."""
    quotes_before: datetime | None = None
    """With the partition go the observations from before that."""


class Result(StrEnum):
    """What became of an action."""

    DONE = "done"
    PLANNED = "planned"
    POSTPONED = "postponed"


@dataclass(frozen=True, kw_only=True)
class Step:
    """An action and what became of it."""

    action: Action
    result: Result
    count: int = 1
    """Tables made or dropped, rows deleted; or that would be."""


@dataclass(frozen=True, kw_only=True)
class MaintenanceReport:
    """What was done, or with a dry run would be."""

    steps: tuple[Step, ...] = ()
    already_running: bool = False
    """Another process was at it, so nothing was done here."""

    def __str__(self) -> str:
        """Return one line for a log."""
        if self.already_running:
            return "another process is at it"
        done = [f"{s.action.kind} {s.count} of {s.action.table}: {s.result}" for s in self.steps]
        return "; ".join(done) or "nothing to do"


def months_ahead(now: datetime, ahead: int) -> list[Month]:
    """Return the current UTC month and so many after it."""
    moment = now.astimezone(UTC)
    first = moment.year * 12 + moment.month - 1
    return [(index // 12, index % 12 + 1) for index in range(first, first + ahead + 1)]


def plan_maintenance(
    partitions: Iterable[Partition], now: datetime, retention: Retention
) -> tuple[Action, ...]:
    """Return what there is to do. Pure.

    Args:
        partitions: every month and every raw branch there is.
        now: an aware time.
        retention: what to keep.
    """
    known = list(partitions)
    return (
        *_to_make(known, now),
        *_to_drop(known, now, retention),
        *_to_delete(now, retention),
    )


def _to_make(known: Sequence[Partition], now: datetime) -> list[Action]:
    wanted = {"quotes": months_ahead(now, QUOTE_MONTHS_AHEAD)}
    branches = sorted({partition.branch for partition in known if partition.branch is not None})
    wanted |= {branch: months_ahead(now, RAW_MONTHS_AHEAD) for branch in branches}
    have = {
        (partition.branch or "quotes", (partition.lower.year, partition.lower.month))
        for partition in known
        if partition.lower is not None
    }
    missing = {
        table: tuple(month for month in months if (table, month) not in have)
        for table, months in wanted.items()
    }
    return [
        Action(kind=ActionKind.MAKE, table=table, months=months)
        for table, months in missing.items()
        if months
    ]


def _to_drop(known: Sequence[Partition], now: datetime, retention: Retention) -> list[Action]:
    days = {"quotes": retention.quote_days, "raw_records": retention.raw_days}
    limits = {root: now - timedelta(days=kept) for root, kept in days.items() if kept is not None}
    return [
        Action(kind=ActionKind.DROP, table=partition.name, quotes_before=_quotes_before(partition))
        for partition in known
        if partition.upper is not None
        and partition.root in limits
        and partition.upper <= limits[partition.root]
    ]


def _quotes_before(partition: Partition) -> datetime | None:
    return partition.upper if partition.root == "quotes" else None


def _to_delete(now: datetime, retention: Retention) -> list[Action]:
    old = now - timedelta(days=retention.run_days)
    limits = {"etl_runs": old, "run_requests": old, "rate_limits": now - BUCKET_IDLE}
    limits["data_changes"] = now - CHANGES_KEPT
    limits["listings"] = old
    limits["run_request_keys"] = now - REQUEST_KEYS_KEPT
    if retention.quote_days is not None:
        limits["superseded_quotes"] = now - timedelta(days=retention.quote_days)
    return [
        Action(kind=ActionKind.DELETE, table=table, before=before)
        for table, before in limits.items()
    ]


def maintain(
    url: URL, retention: Retention, *, now: datetime, dry_run: bool = False
) -> MaintenanceReport:
    """Do what there is to do, unless another process is at it.

    A table that somebody uses for too long is left for the next time; the rest is done.

    Args:
        url: the database, as the role that owns its tables.
        retention: what to keep.
        now: an aware time.
        dry_run: only tell.

    Raises:
        sqlalchemy.exc.DBAPIError: no connection, or the role may not; what is done stays done.
    """
    engine = session_engine(url, application="cryptosource-maintain", timeouts=MAINTENANCE_TIMEOUTS)
    with engine.connect() as connection:
        with connection.begin():
            if not dry_run and not connection.scalar(sql.TRY_LOCK):
                return MaintenanceReport(already_running=True)
            partitions = read_partitions(connection)
        execute = _tell if dry_run else _do
        steps = [execute(connection, a) for a in plan_maintenance(partitions, now, retention)]
    return MaintenanceReport(steps=tuple(step for step in steps if step.count))


def read_partitions(connection: Connection) -> list[Partition]:
    """Return every month and every raw branch there is."""
    return [
        Partition(root=row.root, branch=row.branch, name=row.name, lower=row.lower, upper=row.upper)
        for row in connection.execute(sql.PARTITIONS)
    ]


def _tell(connection: Connection, action: Action) -> Step:
    count = len(action.months) or 1
    if action.kind is ActionKind.DELETE:
        with connection.begin():
            parameters = _row_parameters(action)
            count = int(connection.scalar(sql.COUNT_OLD[action.table], parameters) or 0)
    return Step(action=action, result=Result.PLANNED, count=count)


def _do(connection: Connection, action: Action) -> Step:
    perform = {ActionKind.MAKE: _make, ActionKind.DROP: _drop, ActionKind.DELETE: _delete}[
        action.kind
    ]
    try:
        return Step(action=action, result=Result.DONE, count=perform(connection, action))
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_TIMEOUT:
            raise
        return Step(action=action, result=Result.POSTPONED)


def _make(connection: Connection, action: Action) -> int:
    with connection.begin():
        if action.table == "quotes":
            return ensure_quote_partitions(connection, action.months)
        source_type = action.table.removeprefix("raw_")
        return ensure_raw_partitions(connection, source_type, action.months)


def _drop(connection: Connection, action: Action) -> int:
    """Drop a month. Under the lock of those who make months, so that no load counts on it."""
    with connection.begin():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({PARTITION_LOCK})"))
        connection.execute(text(f"DROP TABLE IF EXISTS {action.table}"))
        if action.quotes_before is not None:
            connection.execute(sql.ADVANCE_RECORDED_SINCE, {"before": action.quotes_before})
    return 1


def _delete(connection: Connection, action: Action) -> int:
    """Delete in portions, so that no row stays locked for long."""
    deleted = 0
    while True:
        with connection.begin():
            parameters = {**_row_parameters(action), "most": ROWS_PER_DELETE}
            portion = connection.execute(sql.DELETE_OLD[action.table], parameters).rowcount
        deleted += portion
        if portion < ROWS_PER_DELETE:
            return deleted


def _row_parameters(action: Action) -> dict[str, object]:
    keep = {"keep": RUNS_KEPT} if action.table == "etl_runs" else {}
    return {"before": action.before, **keep}
