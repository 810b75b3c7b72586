"""A run moves pages from whatever source it is given into whatever sink, and knows neither."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.run.outcome import Counts, Drift, RunOutcome
from cryptosource_etl.pipeline.run.plan import RunKind
from cryptosource_etl.pipeline.run.ports import Batch, Flow
from cryptosource_etl.records import Page, RawRecord
from cryptosource_store.reasons import Reason
from support.oracle import counts, rows
from support.readers import ScriptedReader
from support.runs import make_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def page(*identifiers: str) -> Page:
    records = [RawRecord(each, each, None) for each in identifiers]
    return Page(records=records, cursor_after=lambda count: {"n": count}, received_at=NOON)


class Parts:
    """A source, a sink and an observer without an upstream or a table.

    Args:
        pages: what the source yields.
        before_load: called before a batch is taken in.
    """

    def __init__(
        self, *pages: Page, before_load: Callable[[Batch[str]], None] = lambda _: None
    ) -> None:
        self._pages = pages
        self._before_load = before_load
        self.batches: list[Batch[str]] = []
        self.seen: list[Page] = []
        self.recorded = 0
        self.left = 0
        self.totals = Counts()

    @contextmanager
    def open(self) -> Iterator[Iterable[tuple[Page, str]]]:
        try:
            yield [(each, f"prepared {number}") for number, each in enumerate(self._pages)]
        finally:
            self.left += 1

    def load(self, batch: Batch[str]) -> Counts:
        self._before_load(batch)
        self.batches.append(batch)
        loaded = Counts(loaded=len(batch.records))
        self.totals += loaded
        return loaded

    def observe(self, page: Page) -> None:
        self.seen.append(page)

    def record(self) -> Sequence[Drift]:
        self.recorded += 1
        return [Drift("price", "retyped", ["number"], ["string"])]

    def run(self, database: URL, **options: Any) -> RunOutcome:
        kind = RunKind(
            compose=lambda _: Flow(source=self, sink=self, records_committed=7, observer=self),
            summarize=lambda totals, drifts: f"{totals.loaded} moved, {len(drifts)} changed",
            stop_message="stopped as this kind says it",
            reads_upstream=False,
            trigger="parts",
        )
        return make_run(database, lambda: ScriptedReader(()), kind=kind, **options).execute()


def test_each_page_reaches_the_sink_with_what_its_source_prepared(database: URL):
    parts = Parts(page("a", "b"), page("c"))
    outcome = parts.run(database)
    assert [batch.prepared for batch in parts.batches] == ["prepared 0", "prepared 1"]
    assert [batch.cursor for batch in parts.batches] == [{"n": 2}, {"n": 1}]
    assert [batch.records_committed for batch in parts.batches] == [9, 10]
    assert (outcome.status, outcome.message) == ("success", "3 moved, 1 changed")
    assert (outcome.counts, outcome.records_committed) == (Counts(loaded=3), 10)
    assert [drift.field for drift in outcome.drifts] == ["price"]
    assert len(parts.seen) == 2
    assert (parts.left, parts.recorded) == (1, 1)


def test_the_parts_decide_what_is_written_and_the_run_only_says_how_it_ended(database: URL):
    Parts(page("a")).run(database)
    assert counts(database, "quotes", "raw_records") == {"quotes": 0, "raw_records": 0}
    assert rows(database, "SELECT cursor, records_committed FROM etl_checkpoints") == [({}, 0)]
    query = "SELECT trigger, status, reason, message FROM etl_runs"
    assert rows(database, query) == [("parts", "success", "Completed", "1 moved, 1 changed")]


def test_a_part_of_a_page_is_not_what_was_prepared(database: URL):
    parts = Parts(page("a", "b"), page("c", "d"))
    outcome = parts.run(database, fail_after_records=3)
    assert outcome.reason == "InjectedFailure"
    assert [batch.prepared for batch in parts.batches] == ["prepared 0", None]
    assert [len(batch.records) for batch in parts.batches] == [2, 1]


def test_a_sink_that_refuses_a_page_ends_source_and_run_and_nothing_is_concluded(database: URL):
    def refuse(batch: Batch[str]) -> None:
        if batch.prepared == "prepared 1":
            raise Retryable(Reason.TOO_MANY_REJECTED, "too bad to load")

    parts = Parts(page("a"), page("b"), page("c"), before_load=refuse)
    outcome = parts.run(database)
    assert (outcome.reason, outcome.message) == ("TooManyRejected", "too bad to load")
    assert (outcome.counts, outcome.records_committed) == (Counts(loaded=1), 8)
    assert (parts.left, parts.recorded) == (1, 0)


def test_a_stopped_run_says_what_its_kind_says(database: URL):
    stop = threading.Event()
    parts = Parts(page("a"), page("b"), before_load=lambda _: stop.set())
    outcome = parts.run(database, stop=stop)
    assert (outcome.status, outcome.message) == ("interrupted", "stopped as this kind says it")
    assert (len(parts.batches), parts.left, parts.recorded) == (1, 1, 0)


class Deadlock(Exception):
    """As the driver reports it."""

    pgcode = "40P01"


@pytest.mark.parametrize(("lost", "status"), [(2, "success"), (3, "failure")])
def test_a_page_that_lost_a_deadlock_reaches_the_sink_three_times_at_most(
    database: URL, lost: int, status: str
):
    left = iter([True] * lost)

    def lose(_: Batch[str]) -> None:
        if next(left, False):
            raise OperationalError("MERGE", None, Deadlock("deadlock detected"))

    assert Parts(page("a"), before_load=lose).run(database).status == status
