"""What `up` does with requests for runs, with runs that end when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from cryptosource_cli.manifests import LoadedSource, load_manifests
from cryptosource_cli.taking_requests import RequestTaker
from cryptosource_store.requesting import Wanted, request_run
from support.api import Market
from support.commands import eventually
from support.manifests import csv, write


class Runs:
    """Makes runs that wait until they are let go."""

    def __init__(self) -> None:
        self.made: Queue[tuple[str, str]] = Queue()
        self.go = threading.Semaphore(0)

    def __call__(self, loaded: LoadedSource, job_name: str) -> None:
        self.made.put((loaded.key[1], job_name))
        assert self.go.acquire(timeout=60)

    def next(self) -> tuple[str, str]:
        return self.made.get(timeout=60)


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    market = Market(engine)
    yield market
    market.close()


@pytest.fixture
def taker(database: URL, tmp_path: Path, runs: Runs) -> Iterator[RequestTaker]:
    file = tmp_path / "coins.csv"
    resources = (csv(file, name="a"), csv(file, name="b"), csv(file, name="asleep", suspend=True))
    sources = load_manifests((write(tmp_path, *resources),)).sources
    stop = threading.Event()
    with RequestTaker(database, sources, runs, stop=stop) as taker:
        yield taker
        runs.go.release(100)


def ask(engine: Engine, source: str | None = None) -> str:
    with engine.begin() as connection:
        placed = request_run(connection, Wanted(source=source), caller="test")
    return str(placed.answer["request_id"])


def state(market: Market, request_id: str) -> Any:
    return market.run_sql(
        "SELECT concat_ws(' ', status, reason) FROM run_requests WHERE request_id = :r",
        r=request_id,
    )


def test_a_source_that_never_ran_can_be_asked_for(
    taker: RequestTaker, engine: Engine, market: Market, runs: Runs
) -> None:
    request_id = ask(engine, "a")

    name, job = runs.next()

    assert (name, state(market, request_id)) == ("a", "accepted")
    assert market.run_sql("SELECT job_name FROM run_request_jobs") == job
    assert job.startswith("a-r")


def test_who_asks_while_a_requested_run_is_under_way_gets_one_more_run_when_it_ended(
    taker: RequestTaker, engine: Engine, market: Market, runs: Runs
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
    taker: RequestTaker, engine: Engine, runs: Runs
) -> None:
    ask(engine)

    assert {runs.next()[0], runs.next()[0]} == {"a", "b"}


def test_a_source_that_was_suspended_since_is_refused(
    taker: RequestTaker, engine: Engine, market: Market, runs: Runs
) -> None:
    market.run_sql("UPDATE sources SET suspended = false WHERE name = 'asleep'")

    request_id = ask(engine, "asleep")

    eventually(lambda: state(market, request_id) == "refused Suspended")
    assert runs.made.empty()


def test_sources_of_others_are_left_to_them(
    taker: RequestTaker, engine: Engine, market: Market, runs: Runs
) -> None:
    market.source("elsewhere")
    theirs = ask(engine, "elsewhere")
    ask(engine, "a")

    assert runs.next()[0] == "a"
    assert state(market, theirs) == "pending"


def test_a_run_that_cannot_be_made_does_not_stop_the_next(
    database: URL, tmp_path: Path, engine: Engine, market: Market
) -> None:
    made: Queue[str] = Queue()

    def fails(loaded: LoadedSource, job_name: str) -> None:
        made.put(job_name)
        raise RuntimeError("nobody foresaw this")

    sources = load_manifests((write(tmp_path, csv(tmp_path / "x.csv", name="a")),)).sources
    with RequestTaker(database, sources, fails, stop=threading.Event()):
        ask(engine, "a")
        first = made.get(timeout=60)
        ask(engine, "a")
        second = made.get(timeout=60)

    assert first != second
