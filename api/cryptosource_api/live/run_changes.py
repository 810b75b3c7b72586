"""Changes of runs: which began, progressed or ended.

As with the data, a notification only wakes the listener, and the changed runs are read: running ones
by their index, recent ones by their start. A run has changed if another transaction has written it;
one that was running the last time and is not found now has ended. So no change is missed when its
notification is, nor while the connection to the database is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.live.events import Event, Filters, StreamItem, event_batches
from cryptosource_store.statements import changes as sql

MAX_RUNS = 2_000
"""Most running or recent runs; if there are more, single changes are not reported."""
OVERLAP = timedelta(seconds=10)
"""Runs that began so long before the newest are read again: starts are committed in any order."""


class TooManyRuns(Exception):
    """There are more than `MAX_RUNS`, so that single changes are not reported."""


@dataclass(frozen=True, kw_only=True)
class RunChange:
    """Runs that changed together."""

    runs: Sequence[StreamItem]

    @cached_property
    def size_bytes(self) -> int:
        """Approximate memory of the change."""
        return 200 + sum(len(run.record) + 200 for run in self.runs)

    def events(self, filters: Filters) -> list[Event]:
        """Return the events for a client with these filters."""
        items = [run for run in self.runs if filters.admits_source(run)]
        return [_event(part) for part in event_batches(items)]


def _event(runs: Sequence[StreamItem]) -> Event:
    return Event(name="runs", data=f'{{"data":[{",".join(run.record for run in runs)}]}}')


class RunTracker:
    """Remembers the runs of the last read, and finds those that have changed since."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._written: dict[str, str] = {}
        self._under_way: set[str] = set()

    def begin(self, connection: Connection) -> None:
        """Take the present runs as the state to compare with, on the first connection alone."""
        if self._since is None:
            self._since = connection.scalar(sql.NEWEST_START) - OVERLAP
            self._remember(self._read(connection))

    def changed(self, connection: Connection) -> list[StreamItem]:
        """Return the current state of the runs that changed since the last read.

        Raises:
            TooManyRuns: see there.
        """
        rows = self._read(connection)
        if len(rows) > MAX_RUNS:
            self._remember(rows)
            raise TooManyRuns
        ended = self._under_way - {row.run for row in rows}
        changed = [row.run for row in rows if self._written.get(row.run) != row.written]
        items = _read_items(connection, [*ended, *changed]) if ended or changed else []
        self._remember(rows)  # only now: after a failure they still count as changed
        return items

    def _read(self, connection: Connection) -> Sequence[Any]:
        bound = {"since": self._since, "most": MAX_RUNS + 1}
        return connection.execute(sql.CURRENT_RUNS, bound).all()

    def _remember(self, rows: Sequence[Any]) -> None:
        assert self._since is not None  # noqa: S101 - `begin` has set it
        self._written = {row.run: row.written for row in rows}
        self._under_way = {row.run for row in rows if row.under_way}
        self._since = max([self._since, *(row.started_at - OVERLAP for row in rows)])


def _read_items(connection: Connection, runs: Sequence[str]) -> list[StreamItem]:
    return [
        StreamItem(
            source=row.source,
            source_type=row.source_type,
            namespace=row.namespace,
            record=row.record,
        )
        for row in connection.execute(sql.RUN_RECORDS, {"runs": list(runs)})
    ]
