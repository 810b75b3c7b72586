"""Maintenance of the database: creates partitions ahead of time, deletes data past its retention.

`plan_maintenance` derives the actions from the partitions and the time alone; `maintain` executes
them, each in a transaction of its own that gives up rather than keep a load waiting.
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
"""This many newest runs of each source are kept whatever their age."""
BUCKET_IDLE = timedelta(days=1)
"""Rate limit buckets that were not used for so long are deleted."""
# No shorter than `KEYS_KEPT` of statements.run_requests, within which a key gets the same answer.
REQUEST_KEYS_KEPT = timedelta(days=1)
CHANGES_KEPT = timedelta(days=1)
"""How long a follower of the data may be disconnected and still resume where it stopped."""
ROWS_PER_DELETE = 5000

MAINTENANCE_TIMEOUTS = SessionTimeouts(lock_seconds=2)
"""Loads and reads wait for maintenance at most `lock_seconds`."""

LOCK_TIMEOUT = "55P03"
"""SQLSTATE lock_not_available: the lock timeout expired."""

Month = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long data is kept, in days; None keeps it for ever."""

    raw_days: int | None = 30
    """For raw records, since their arrival."""
    quote_days: int | None = None
    """For quotes and superseded quotes, since the observation."""
    run_days: int = 90
    """For run rows since their start, requests, and listings since they ended."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A month of `quotes` or of a raw branch, or a branch itself."""

    root: str
    """`quotes` or `raw_records`."""
    branch: str | None
    """`raw_<source type>`; None for quotes."""
    name: str
    lower: datetime | None
    """Inclusive; None for a branch."""
    upper: datetime | None
    """Exclusive; None for a branch."""


class ActionKind(StrEnum):
    """What an action does with its table."""

    MAKE = "make"
    DROP = "drop"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One step of a maintenance plan."""

    kind: ActionKind
    table: str
    """The partition to drop, the parent of the months to create, or the table to delete from."""
    months: tuple[Month, ...] = ()
    """To be created, in UTC; for MAKE."""
    before: datetime | None = None
    """Rows from before this time are deleted; for DELETE."""
    quotes_before: datetime | None = None
    """Upper bound of a partition of quotes; for DROP."""


class Result(StrEnum):
    """The outcome of an action."""

    DONE = "done"
    PLANNED = "planned"
    POSTPONED = "postponed"
    """The table was in use for longer than the lock timeout; the next maintenance tries again."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """An action and its outcome."""

    action: Action
    result: Result
    count: int = 1
    """Tables created or dropped, or rows deleted; with a dry run, that would be."""


@dataclass(frozen=True, kw_only=True)
class MaintenanceReport:
    """What was done, or with a dry run would be done."""

    steps: tuple[Step, ...] = ()
    already_running: bool = False
    """Another process was maintaining the database, so nothing was done."""

    def __str__(self) -> str:
        """Return one line for a log."""
        if self.already_running:
            return "another process is maintaining the database"
        done = [f"{s.action.kind} {s.count} of {s.action.table}: {s.result}" for s in self.steps]
        return "; ".join(done) or "nothing to do"


def months_ahead(now: datetime, ahead: int) -> list[Month]:
    """Return the UTC month of an aware time and the `ahead` months after it."""
    moment = now.astimezone(UTC)
    first = moment.year * 12 + moment.month - 1
    return [(index // 12, index % 12 + 1) for index in range(first, first + ahead + 1)]


def plan_maintenance(
    partitions: Iterable[Partition], now: datetime, retention: Retention
) -> tuple[Action, ...]:
    """Return the actions that are due. Pure.

    Args:
        partitions: all months and raw branches that exist.
        now: an aware time.
        retention: how long data is kept.
    """
    existing = list(partitions)
    return (
        *_months_to_make(existing, now),
        *_months_to_drop(existing, now, retention),
        *_rows_to_delete(now, retention),
    )


def _months_to_make(existing: Sequence[Partition], now: datetime) -> list[Action]:
    required = {"quotes": months_ahead(now, QUOTE_MONTHS_AHEAD)}
    branches = sorted({partition.branch for partition in existing if partition.branch is not None})
    required |= {branch: months_ahead(now, RAW_MONTHS_AHEAD) for branch in branches}
    present = {
        (partition.branch or "quotes", (partition.lower.year, partition.lower.month))
        for partition in existing
        if partition.lower is not None
    }
    missing = {
        table: tuple(month for month in months if (table, month) not in present)
        for table, months in required.items()
    }
    return [
        Action(kind=ActionKind.MAKE, table=table, months=months)
        for table, months in missing.items()
        if months
    ]


def _months_to_drop(
    existing: Sequence[Partition], now: datetime, retention: Retention
) -> list[Action]:
    days = {"quotes": retention.quote_days, "raw_records": retention.raw_days}
    limits = {root: now - timedelta(days=kept) for root, kept in days.items() if kept is not None}
    return [
        Action(kind=ActionKind.DROP, table=partition.name, quotes_before=_quotes_before(partition))
        for partition in existing
        if partition.upper is not None
        and partition.root in limits
        and partition.upper <= limits[partition.root]
    ]


def _quotes_before(partition: Partition) -> datetime | None:
    return partition.upper if partition.root == "quotes" else None


def _rows_to_delete(now: datetime, retention: Retention) -> list[Action]:
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
    """Execute the actions that are due, unless another process is maintaining the database.

    An action whose table stays locked for longer than the lock timeout is postponed to the next
    maintenance; the others are executed.

    Args:
        url: the database, as the role that owns its tables.
        retention: how long data is kept.
        now: an aware time.
        dry_run: report the actions without executing them.

    Raises:
        sqlalchemy.exc.DBAPIError: no connection, or the role lacks a privilege; finished actions
            are not undone.
    """
    engine = session_engine(url, application="cryptosource-maintain", timeouts=MAINTENANCE_TIMEOUTS)
    with engine.connect() as connection:
        with connection.begin():
            if not dry_run and not connection.scalar(sql.TRY_LOCK):
                return MaintenanceReport(already_running=True)
            partitions = read_partitions(connection)
        execute = _plan_step if dry_run else _execute_step
        steps = [execute(connection, a) for a in plan_maintenance(partitions, now, retention)]
    return MaintenanceReport(steps=tuple(step for step in steps if step.count))


def read_partitions(connection: Connection) -> list[Partition]:
    """Return all months and raw branches that exist."""
    return [
        Partition(root=row.root, branch=row.branch, name=row.name, lower=row.lower, upper=row.upper)
        for row in connection.execute(sql.PARTITIONS)
    ]


def _plan_step(connection: Connection, action: Action) -> Step:
    count = len(action.months) or 1
    if action.kind is ActionKind.DELETE:
        with connection.begin():
            parameters = _row_parameters(action)
            count = int(connection.scalar(sql.COUNT_OLD[action.table], parameters) or 0)
    return Step(action=action, result=Result.PLANNED, count=count)


def _execute_step(connection: Connection, action: Action) -> Step:
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
    """Drop a month's partition."""
    with connection.begin():
        # Months are created under this lock: no load may find the month and then insert into it.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({PARTITION_LOCK})"))
        connection.execute(text(f"DROP TABLE IF EXISTS {action.table}"))
        if action.quotes_before is not None:
            connection.execute(sql.ADVANCE_RECORDED_SINCE, {"before": action.quotes_before})
    return 1


def _delete(connection: Connection, action: Action) -> int:
    """Delete old rows; return how many."""
    deleted = 0
    while True:
        # In portions, each committed, so that no row stays locked for long.
        with connection.begin():
            parameters = {**_row_parameters(action), "most": ROWS_PER_DELETE}
            portion = connection.execute(sql.DELETE_OLD[action.table], parameters).rowcount
        deleted += portion
        if portion < ROWS_PER_DELETE:
            return deleted


def _row_parameters(action: Action) -> dict[str, object]:
    keep = {"keep": RUNS_KEPT} if action.table == "etl_runs" else {}
    return {"before": action.before, **keep}
