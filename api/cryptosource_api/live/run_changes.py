"""Runs that begin, get on or end.

As with the data, a notification only wakes: which runs changed is read. A run that is under way is
found by its index, one that began lately by its start; it has changed when another transaction has
written it. One that was under way the last time and is not found any more has ended. So a run is told whether or not a
notification was, and also one that ended while the database could not be heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.live.events import Event, Filters, OfSource, in_parts
from cryptosource_store.statements import changes as sql

MAX_RUNS = 2_000
"""Under way or begun lately; with more of them nobody is told of each."""
OVERLAP = timedelta(seconds=10)
"""Runs that began so long before the newest are looked at again: starts commit in any order."""


class TooManyRuns(Exception):
    """Which runs changed is not told."""


@dataclass(frozen=True, kw_only=True)
class RunChange:
    """Runs that changed together."""

    runs: Sequence[OfSource]

    @cached_property
    def size_bytes(self) -> int:
        """What it takes to keep it, about."""
        return 200 + sum(len(run.record) + 200 for run in self.runs)

    def events(self, filters: Filters) -> list[Event]:
        """Return what a client with these filters is told."""
        told = [run for run in self.runs if filters.admits_source(run)]
        return [_event(part) for part in in_parts(told)]


def _event(runs: Sequence[OfSource]) -> Event:
    return Event(name="runs", data=f'{{"data":[{",".join(run.record for run in runs)}]}}')


class RunsSeen:
    """Which runs there were the last time, and so which have changed since."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._written: dict[str, str] = {}
        self._under_way: set[str] = set()

    def begin(self, connection: Connection) -> None:
        """Take what is there for seen, unless something was seen before."""
        if self._since is None:
            self._since = connection.scalar(sql.NEWEST_START) - OVERLAP
            self._see(self._read(connection))

    def changed(self, connection: Connection) -> list[OfSource]:
        """Return the runs that changed since the last time, as they are now.

        Raises:
            TooManyRuns: they are not looked at one by one.
        """
        rows = self._read(connection)
        if len(rows) > MAX_RUNS:
            self._see(rows)
            raise TooManyRuns
        ended = self._under_way - {row.run for row in rows}
        changed = [row.run for row in rows if self._written.get(row.run) != row.written]
        told = _read_told(connection, [*ended, *changed]) if ended or changed else []
        self._see(rows)  # only now: what could not be read is changed the next time as well
        return told

    def _read(self, connection: Connection) -> Sequence[Any]:
        bound = {"since": self._since, "most": MAX_RUNS + 1}
        return connection.execute(sql.RUNS_LATELY, bound).all()

    def _see(self, rows: Sequence[Any]) -> None:
        assert self._since is not None  # noqa: S101 - `begin` has set it
        self._written = {row.run: row.written for row in rows}
        self._under_way = {row.run for row in rows if row.under_way}
        self._since = max([self._since, *(row.started_at - OVERLAP for row in rows)])


def _read_told(connection: Connection, runs: Sequence[str]) -> list[OfSource]:
    return [
        OfSource(
            source=row.source,
            source_type=row.source_type,
            namespace=row.namespace,
            record=row.record,
        )
        for row in connection.execute(sql.RUNS_TOLD, {"runs": list(runs)})
    ]
