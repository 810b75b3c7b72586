"""One run of a source at a time; a dead one is recorded, a fenced one writes nothing."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.clock import SystemClock
from cryptosource_etl.pipeline.run.claim import Claim, claim_source
from cryptosource_store.engine import loading_engine
from cryptosource_store.statements import claim as sql
from support.oracle import committed, contradictions, counts, execute, rows, value, wait_until
from support.readers import ScriptedReader, coin
from support.runs import identity, load, make_run, settings

COINS = [coin(f"c{number}") for number in range(9)]
CLOCK = SystemClock()


def _claim(connection, **over) -> Claim:
    source = replace(identity(), **over)
    claim = claim_source(connection, source, settings(), clock=CLOCK, trace_id=None)
    assert isinstance(claim, Claim)
    return claim


def test_a_second_run_of_a_claimed_source_is_skipped(database: URL):
    with loading_engine(database).connect() as connection:
        _claim(connection)
        outcome = load(database, COINS)
    assert (outcome.status, outcome.reason, outcome.exit_code) == ("skipped", "AlreadyRunning", 0)
    assert counts(database, "quotes") == {"quotes": 0}
    assert load(database, COINS).status == "success"


def test_a_source_is_free_as_soon_as_its_run_has_ended(database: URL):
    """Not only once its session is gone, which the server does in its own time."""
    with loading_engine(database).connect() as connection:
        beside = loading_engine(database)

        def connect() -> AbstractContextManager[Connection]:
            """Give the session that outlives its run to the run, and others for its look-ups."""
            claiming = threading.current_thread() is threading.main_thread()
            return nullcontext(connection) if claiming else beside.connect()

        engine = SimpleNamespace(connect=connect)
        run = make_run(database, lambda: ScriptedReader(COINS), job_name="first")
        run._engine = engine
        assert run.execute().status == "success"
        assert load(database, COINS).status == "success"
        again = make_run(database, lambda: ScriptedReader(COINS), job_name="first")
        again._engine = engine
        assert again.execute().reason == "AlreadySucceeded"
        assert load(database, COINS).status == "success"


def test_the_same_job_does_not_run_twice(database: URL):
    load(database, COINS, job_name="job-1")
    outcome = load(database, [coin("other")], job_name="job-1")
    assert (outcome.status, outcome.reason, outcome.exit_code) == ("skipped", "AlreadySucceeded", 0)
    assert rows(database, "SELECT attempt, status FROM etl_runs ORDER BY attempt") == [
        (1, "success"),
        (2, "skipped"),
    ]


def test_a_job_that_failed_runs_again_as_its_next_attempt(database: URL):
    load(database, COINS, job_name="job-1", fail_after_records=3)
    assert load(database, COINS, job_name="job-1").counts.loaded == 6
    assert value(database, "SELECT max(attempt) FROM etl_runs") == 2


def test_a_dead_run_is_interrupted_and_the_next_goes_on(database: URL):
    with loading_engine(database).connect() as connection:
        dead = _claim(connection)
    outcome = load(database, COINS)
    assert outcome.status == "success"
    query = "SELECT status, reason, message FROM etl_runs WHERE run_id = :run_id"
    assert rows(database, query, run_id=dead.run_id) == [
        ("interrupted", "Interrupted", "Interrupted due to restart")
    ]


def test_many_runs_at_first_sight_make_one_source_and_one_success(database: URL):
    gate, outcomes = threading.Barrier(12), []

    def run() -> None:
        gate.wait()
        outcomes.append(load(database, COINS, before_page=lambda _: wait.wait()))

    wait = threading.Event()
    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    wait_until(database, "SELECT count(*) = 11 FROM etl_runs WHERE status = 'skipped'")
    wait.set()
    for thread in threads:
        thread.join()
    statuses = sorted(outcome.status for outcome in outcomes)
    assert statuses == ["skipped"] * 11 + ["success"]
    assert counts(database, "sources") == {"sources": 1}
    assert contradictions(database) == {}


@pytest.mark.parametrize("where", ["between pages", "while waiting"])
def test_a_run_whose_source_was_claimed_anew_writes_nothing_more(database: URL, where: str):
    """Even when the lock is broken: the epoch alone fences."""

    def steal(page: int) -> None:
        if page != 1:
            return
        committed(database, 3)
        execute(database, "UPDATE etl_checkpoints SET epoch = epoch + 1")
        interrupted = "status = 'interrupted', finished_at = clock_timestamp()"
        if where == "while waiting":
            execute(database, f"UPDATE etl_runs SET {interrupted}")
            fenced.wait(timeout=20)

    fenced = threading.Event()
    outcome = load(database, COINS, batch_size=3, before_page=steal, heartbeat_seconds=0.01)
    fenced.set()
    assert (outcome.status, outcome.reason, outcome.exit_code) == ("failure", "Fenced", 75)
    assert counts(database, "quotes", "raw_records") == {"quotes": 3, "raw_records": 3}
    assert contradictions(database) == {}


def test_a_fenced_run_does_not_rewrite_its_own_verdict(database: URL):
    def steal(_: int) -> None:
        with loading_engine(database).connect() as connection, connection.begin():
            connection.execute(text("UPDATE etl_checkpoints SET epoch = epoch + 1"))
            connection.execute(sql.INTERRUPT_DEAD_RUNS, {"source_id": 1})

    load(database, COINS, before_page=steal)
    assert rows(database, "SELECT status, message FROM etl_runs") == [
        ("interrupted", "Interrupted due to restart")
    ]


def test_a_resource_that_was_created_anew_goes_on_with_its_data(database: URL):
    load(database, COINS, fail_after_records=4)
    outcome = load(database, COINS, source=identity(uid="another-uid"))
    assert (outcome.status, outcome.counts.loaded) == ("success", 5)
    assert rows(database, "SELECT uid, retired_at FROM sources") == [("another-uid", None)]


def test_a_resource_of_another_type_is_another_source(database: URL):
    load(database, COINS)
    other = identity(source_type="other", scope="other")
    assert load(database, COINS, source=other).counts.loaded == 9
    query = "SELECT source_type, retired_at IS NULL FROM sources ORDER BY source_id"
    assert rows(database, query) == [("scripted", False), ("other", True)]


def test_a_stop_during_a_take_over_ends_the_run(database: URL):
    stop = threading.Event()
    stop.set()
    with loading_engine(database).connect() as holder:
        _claim(holder)
        # The row names a session that is not the holder's, so that the lock stays taken.
        other = loading_engine(database).connect()
        with suppress(DBAPIError), other:
            pid = other.scalar(text("SELECT pg_backend_pid()"))
            started = "(SELECT backend_start FROM pg_stat_activity WHERE pid = :pid)"
            silent = f"""UPDATE etl_runs SET backend_pid = :pid, backend_start = {started},
                     heartbeat_at = clock_timestamp() - interval '1 hour'"""
            execute(database, silent, pid=pid)
            run = make_run(database, lambda: ScriptedReader(COINS), stop=stop)
            outcome = run.execute()
    assert (outcome.status, outcome.exit_code) == ("interrupted", 143)
