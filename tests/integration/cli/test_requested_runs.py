"""What `up` does with requests for runs, with runs that end when a test says so."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from cryptosource_cli.manifest_files import LoadedSource, load_manifests
from cryptosource_cli.requested_runs import RequestedRuns, RunNow
from cryptosource_cli.scheduler import RequestedRun
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.run.outcome import Counts, RunOutcome, failed, succeeded
from cryptosource_store.reasons import Reason
from cryptosource_store.run_requests import RunRequest, request_run
from cryptosource_store.statements.claim import SOURCE_LOCK_CLASS
from support.api import Market
from support.manifests import csv, write
from support.waits import eventually

NewTaker = Callable[..., RequestedRuns]
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Runs:
    """Makes runs that wait until they are let go, and then write their row."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.made: Queue[RequestedRun] = Queue()
        self.go = threading.Semaphore(0)
        self.unwritten = 0
        """Runs that end without a row, as when Postgres cannot be asked."""

    def __call__(self, requested: RequestedRun) -> RunOutcome:
        self.made.put(requested)
        assert self.go.acquire(timeout=60)
        if self.unwritten:
            self.unwritten -= 1
            return failed(None, Retryable(Reason.DATABASE_UNAVAILABLE, "nobody answers"))
        run_id = uuid.uuid4()
        self.write(requested.loaded.key[1], requested.job_name, "success", run_id=run_id)
        return succeeded(run_id, Counts(), "Nothing new since the last run")

    def write(self, name: str, job_name: str, status: str, **columns: Any) -> None:
        """Write a run's row."""
        with Market(self._engine) as market:
            source_id = market.run_sql("SELECT source_id FROM sources WHERE name = :n", n=name)
            uid = market.run_sql("SELECT uid FROM sources WHERE name = :n", n=name)
            market.run(source_id, status, source_uid=uid, job_name=job_name, **columns)

    def next(self) -> tuple[str, str]:
        requested = self.made.get(timeout=60)
        return requested.loaded.key[1], requested.job_name


@pytest.fixture
def runs(engine: Engine) -> Runs:
    return Runs(engine)


@pytest.fixture
def sources(tmp_path: Path) -> Sequence[LoadedSource]:
    file = tmp_path / "coins.csv"
    resources = (csv(file, name="a"), csv(file, name="b"), csv(file, name="asleep", suspend=True))
    return load_manifests((write(tmp_path, *resources),)).sources


@pytest.fixture
def new_taker(database: URL, sources: Sequence[LoadedSource], runs: Runs) -> NewTaker:
    """Return what makes a taker as an `up` that starts does."""

    def new(run_now: RunNow = runs) -> RequestedRuns:
        stop = threading.Event()
        return RequestedRuns(database, sources, run_now, stop=stop, crash_points=CrashPoints())

    return new


@pytest.fixture
def taker(new_taker: NewTaker, runs: Runs) -> Iterator[RequestedRuns]:
    with new_taker() as taker:
        yield taker
        runs.go.release(100)


def ask(engine: Engine, source: str | None = None, *, traceparent: str | None = None) -> str:
    with engine.begin() as connection:
        wanted = RunRequest(source=source)
        placed = request_run(connection, wanted, caller="test", traceparent=traceparent)
    return str(placed.answer["request_id"])


def state(market: Market, request_id: str) -> Any:
    return market.run_sql(
        "SELECT concat_ws(' ', status, reason) FROM run_requests WHERE request_id = :r",
        r=request_id,
    )


def test_a_source_that_never_ran_can_be_asked_for(
    taker: RequestedRuns, engine: Engine, market: Market, runs: Runs
) -> None:
    request_id = ask(engine, "a")

    name, job = runs.next()

    assert (name, state(market, request_id)) == ("a", "accepted")
    assert market.run_sql("SELECT job_name FROM run_request_jobs") == job
    assert job.startswith("a-r")


def test_who_asks_while_a_requested_run_is_under_way_gets_one_more_run_when_it_ended(
    taker: RequestedRuns, engine: Engine, market: Market, runs: Runs
) -> None:
    ask(engine, "a")
    runs.next()
    second, third = ask(engine, "a"), ask(engine, "a")
    ask(engine, "b")
    assert runs.next()[0] == "b"  # the taker has looked since
    assert second == third
    assert state(market, second) == "pending"

    runs.go.release(2)

    assert runs.next()[0] == "a"
    assert state(market, second) == "accepted"
    assert runs.made.empty()


def test_all_runs_every_source_but_those_that_are_suspended(
    taker: RequestedRuns, engine: Engine, runs: Runs
) -> None:
    ask(engine)

    assert {runs.next()[0], runs.next()[0]} == {"a", "b"}


def test_a_source_that_was_suspended_since_is_refused(
    taker: RequestedRuns, engine: Engine, market: Market, runs: Runs
) -> None:
    market.run_sql("UPDATE sources SET suspended = false WHERE name = 'asleep'")

    request_id = ask(engine, "asleep")

    eventually(lambda: state(market, request_id) == "refused Suspended")
    assert runs.made.empty()


def test_sources_of_others_are_left_to_them(
    taker: RequestedRuns, engine: Engine, market: Market, runs: Runs
) -> None:
    market.source("elsewhere")
    theirs = ask(engine, "elsewhere")
    ask(engine, "a")

    assert runs.next()[0] == "a"
    assert state(market, theirs) == "pending"


def test_a_run_that_cannot_be_made_does_not_stop_the_next(
    new_taker: NewTaker, engine: Engine
) -> None:
    made: Queue[str] = Queue()

    def fails(requested: RequestedRun) -> RunOutcome:
        made.put(requested.job_name)
        raise RuntimeError("nobody foresaw this")

    with new_taker(fails):
        ask(engine, "a")
        first = made.get(timeout=60)
        ask(engine, "a")

        eventually(lambda: made.get(timeout=60) != first)


def test_a_requested_run_belongs_to_the_trace_of_who_asked(
    taker: RequestedRuns, engine: Engine, runs: Runs
) -> None:
    ask(engine, "a", traceparent=GIVEN)

    assert runs.made.get(timeout=60).traceparent == GIVEN


def left_behind(new_taker: NewTaker, engine: Engine, runs: Runs) -> str:
    """Let an `up` die that has accepted a request; return the name of the run it promised."""

    def never(requested: RequestedRun) -> RunOutcome:
        runs.made.put(requested)
        raise SystemExit  # its end is no matter: no row says that there was a run

    with new_taker(never):
        ask(engine, "a", traceparent=GIVEN)
        return runs.next()[1]


def test_what_was_accepted_and_never_begun_is_made_at_the_next_start_under_its_name_and_trace(
    new_taker: NewTaker, engine: Engine, runs: Runs
) -> None:
    job = left_behind(new_taker, engine, runs)

    with new_taker():
        again = runs.made.get(timeout=60)
        runs.go.release()

    assert (again.job_name, again.traceparent) == (job, GIVEN)


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_run_that_did_not_get_to_its_end_is_made_again_at_the_next_start(
    new_taker: NewTaker, engine: Engine, runs: Runs, status: str
) -> None:
    job = left_behind(new_taker, engine, runs)
    runs.write("a", job, status)

    with new_taker():
        assert runs.next() == ("a", job)
        runs.write("a", job, "success", attempt=2)
        runs.go.release()


@pytest.mark.parametrize("status", ["success", "failure", "skipped"])
def test_a_run_that_ended_is_not_made_again(
    new_taker: NewTaker, engine: Engine, runs: Runs, status: str
) -> None:
    job = left_behind(new_taker, engine, runs)
    runs.write("a", job, status)

    with new_taker():
        ask(engine, "b")
        assert runs.next()[0] == "b"  # the taker has looked
        runs.go.release()

    assert runs.made.empty()


def test_what_was_left_waits_until_the_session_of_its_dead_run_is_gone(
    new_taker: NewTaker, engine: Engine, market: Market, runs: Runs
) -> None:
    job = left_behind(new_taker, engine, runs)
    lock = f"SELECT pg_advisory_lock({SOURCE_LOCK_CLASS}, source_id) FROM sources WHERE name = 'a'"
    market.run_sql(lock)

    with new_taker():
        waiting = ask(engine, "a")
        ask(engine, "b")
        assert runs.next()[0] == "b"  # the taker has looked
        assert state(market, waiting) == "pending"
        market.run_sql("SELECT pg_advisory_unlock_all()")

        assert runs.next() == ("a", job)
        runs.go.release(3)
        assert runs.next()[0] == "a"


def test_of_two_processes_one_takes_up_requests_and_the_other_goes_on_when_it_has_ended(
    new_taker: NewTaker, engine: Engine, runs: Runs
) -> None:
    successor = Runs(engine)
    with ExitStack() as first_stack, ExitStack() as second_stack:
        first_stack.enter_context(new_taker())
        ask(engine, "a")
        runs.next()
        second_stack.enter_context(new_taker(successor))
        ask(engine, "b")
        assert runs.next()[0] == "b"
        runs.go.release(2)
        first_stack.close()

        ask(engine, "a")
        assert successor.next()[0] == "a"
        successor.go.release()

    assert successor.made.empty()


def test_a_run_that_found_no_database_is_made_again(
    new_taker: NewTaker, engine: Engine, runs: Runs
) -> None:
    runs.unwritten = 1
    with new_taker():
        ask(engine, "a")
        first = runs.next()
        runs.go.release(2)

        assert runs.next() == first
