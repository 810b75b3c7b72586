"""A run that ends early leaves whole pages and a checkpoint that says exactly how far it came."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import URL

from cryptosource_etl.clock import SystemClock
from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.pipeline.load.page_writer import PageWriter
from cryptosource_store.reasons import Reason
from support.oracle import committed, contradictions, counts, facts, row_versions, rows
from support.readers import ScriptedReader, coin
from support.runs import load, make_run

COINS = [coin(f"c{number:02}") for number in range(25)]
CHECKPOINT = "SELECT records_committed, cursor FROM etl_checkpoints"


@pytest.mark.parametrize("batch_size", [1, 4, 10, 1000])
def test_exactly_n_records_are_in_and_the_next_run_stores_the_rest(database: URL, batch_size: int):
    outcome = load(database, COINS, batch_size=batch_size, fail_after_records=10)
    assert (outcome.status, outcome.reason) == ("failure", "InjectedFailure")
    assert (outcome.exit_code, outcome.records_committed) == (75, 10)
    assert rows(database, CHECKPOINT) == [(10, {"n": 10})]
    assert counts(database, "quotes", "raw_records") == {"quotes": 10, "raw_records": 10}
    first = row_versions(database, "quotes", "raw_records")

    outcome = load(database, COINS, batch_size=batch_size)
    assert (outcome.status, outcome.counts.loaded) == ("success", 15)
    assert outcome.counts.unchanged == 0
    assert rows(database, CHECKPOINT) == [(25, {})]
    assert counts(database, "quotes", "raw_records") == {"quotes": 25, "raw_records": 25}
    now = row_versions(database, "quotes", "raw_records")
    assert all(set(first[table]) <= set(now[table]) for table in first)
    assert contradictions(database) == {}


def test_a_failure_in_the_third_page_keeps_the_first_two(database: URL):
    def fail(page: int) -> None:
        if page == 2:
            raise Retryable(Reason.UPSTREAM_UNREACHABLE, "the line is dead")

    outcome = load(database, COINS, batch_size=10, before_page=fail)
    assert (outcome.reason, outcome.message) == ("UpstreamUnreachable", "the line is dead")
    assert rows(database, CHECKPOINT) == [(20, {"n": 20})]
    assert load(database, COINS, batch_size=10).counts.loaded == 5


def test_an_error_that_nobody_foresaw_names_its_kind_and_hides_its_text(database: URL):
    def fail(_: int) -> None:
        raise ZeroDivisionError("https://user:secret@host")

    outcome = load(database, COINS, before_page=fail)
    assert (outcome.reason, outcome.exit_code) == ("InternalError", 75)
    assert "ZeroDivisionError" in outcome.message
    assert "secret" not in outcome.message


def test_a_source_that_cannot_be_opened_ends_with_its_reason(database: URL):
    def refuse() -> ScriptedReader:
        raise Permanent(Reason.KEY_MISSING, "set a key")

    outcome = make_run(database, refuse).execute()
    assert (outcome.reason, outcome.exit_code) == ("KeyMissing", 78)
    assert rows(database, "SELECT status, reason, message FROM etl_runs") == [
        ("failure", "KeyMissing", "set a key")
    ]


def test_a_plugin_whose_pages_is_no_generator_may_raise_at_once(database: URL):
    class Impatient(ScriptedReader):
        def pages(self, cursor):
            raise Retryable(Reason.UPSTREAM_ERROR, "no pages today")

    outcome = make_run(database, lambda: Impatient(COINS), deadline_seconds=5).execute()
    assert outcome.reason == "UpstreamError"


def test_a_stop_while_waiting_for_the_upstream_ends_the_run_at_once(database: URL):
    stop, let_go = threading.Event(), threading.Event()

    def wait(page: int) -> None:
        if page == 1:
            committed(database, 10)
            stop.set()
            let_go.wait()

    options = {"batch_size": 10, "before_page": wait, "stop": stop, "shutdown_seconds": 0.01}
    outcome = load(database, COINS, **options)
    let_go.set()
    assert (outcome.status, outcome.reason) == ("interrupted", "Terminated")
    assert (outcome.exit_code, outcome.records_committed) == (143, 10)
    assert rows(database, CHECKPOINT) == [(10, {"n": 10})]


def test_a_stop_in_the_middle_of_a_page_finishes_that_page(
    database: URL, monkeypatch: pytest.MonkeyPatch
):
    stop = threading.Event()
    merge = PageWriter.merge

    def stop_and_merge(writer, **options):
        stop.set()
        merge(writer, **options)

    monkeypatch.setattr(PageWriter, "merge", stop_and_merge)
    run = make_run(database, lambda: ScriptedReader(COINS, batch_size=10), stop=stop)
    assert run.execute().exit_code == 143
    assert rows(database, CHECKPOINT) == [(10, {"n": 10})]
    assert counts(database, "quotes") == {"quotes": 10}


def test_a_run_past_its_deadline_fails_between_two_pages(database: URL):
    class Hours(SystemClock):
        hours = 0.0

        def monotonic(self) -> float:
            self.hours += 1
            return self.hours * 3600

    outcome = load(database, COINS, clock=Hours(), deadline_seconds=900)
    assert (outcome.reason, outcome.exit_code) == ("DeadlineExceeded", 75)
    assert "activeDeadlineSeconds=900" in outcome.message


def test_pieces_add_up_to_the_tables_of_a_run_that_was_never_cut(make_database):
    pieces, whole = make_database(), make_database()
    for _ in range(9):
        load(pieces, COINS, batch_size=4, fail_after_records=3)
    assert load(whole, COINS, batch_size=4).status == "success"
    assert facts(pieces) == facts(whole)


def test_a_reader_is_closed_once_however_the_run_ends(database: URL):
    for settings in ({}, {"fail_after_records": 10}):
        reader = ScriptedReader(COINS, batch_size=4)
        make_run(database, lambda reader=reader: reader, **settings).execute()
        assert reader.closed == 1


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_opened_for_a_run_is_let_go_however_it_ends(database: URL, fails: bool):
    released = []

    def open_reader():
        if fails:
            raise Retryable(Reason.UPSTREAM_ERROR, "not today")
        return ScriptedReader(COINS)

    make_run(database, open_reader, release=lambda: released.append(True)).execute()
    assert released == [True]
