"""docs/faults.md, F1 and F3 to F5: kill -9 anywhere, twenty at once, frozen and thawed."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest
from sqlalchemy import URL

from cryptosource_etl.crash_points import RUN_CRASH_POINTS
from support.oracle import (
    committed,
    contradictions,
    counts,
    facts,
    no_run_holds_a_lock,
    rows,
    value,
    wait_until,
)
from support.readers import coin
from support.runs import load, outcome_of, started

COINS = [
    {"external_id": f"c{number}", "symbol": f"S{number % 3}", "rank": number + 1}
    for number in range(7)
] + [{"external_id": "bad", "bad": "Negative"}]
RECORDS = [coin(**fields) for fields in COINS]
BATCH = 3
PER_PAGE = [name for name in RUN_CRASH_POINTS if name.startswith(("page-", "checkpoint-"))]
POINTS = ["claimed", "pages-done", "finished"] + [
    f"{name}:{page}" for name in PER_PAGE for page in (1, 2, 3)
]


@pytest.fixture
def never_killed(make_database):
    url = make_database()
    assert load(url, RECORDS, batch_size=BATCH).status == "success"
    return facts(url)


@pytest.mark.parametrize("point", POINTS)
def test_a_rerun_after_a_kill_ends_where_a_run_that_was_never_killed_does(
    database: URL, never_killed, point: str
):
    environ = {"CRYPTOSOURCE_CRASH_AT": point, "CRYPTOSOURCE_JOB_NAME": "killed"}
    with started(database, COINS, batch_size=BATCH, environ=environ) as process:
        assert outcome_of(process)["exit_code"] == -signal.SIGKILL
    assert contradictions(database) == {}
    no_run_holds_a_lock(database)
    outcome = load(database, RECORDS, batch_size=BATCH)
    assert outcome.status == "success", outcome.message
    assert contradictions(database) == {}
    dead = "SELECT status, message FROM etl_runs WHERE job_name = 'killed'"
    if point == "finished":
        assert rows(database, dead)[0][0] == "success"
    else:
        assert rows(database, dead) == [("interrupted", "Interrupted due to restart")]
    assert _without_repeats(facts(database)) == _without_repeats(never_killed)


def _without_repeats(tables):
    """Leave out how often the same poison was met: a page that goes again meets it again."""
    return tables | {"rejected": [row[:-1] for row in tables["rejected"]]}


@pytest.mark.timeout(180)
def test_of_twenty_processes_at_once_one_runs_and_nineteen_are_skipped(database: URL):
    skipped = "SELECT count(*) = 19 FROM etl_runs WHERE status = 'skipped'"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(database, COINS, batch_size=BATCH, wait_before=0))
            for _ in range(20)
        ]
        wait_until(database, skipped)
        outcomes = [outcome_of(process) for process in processes]  # closing stdin lets it go
    told = sorted((outcome["exit_code"], outcome["status"]) for outcome in outcomes)
    assert told == [(0, "skipped")] * 19 + [(0, "success")]
    assert contradictions(database) == {}
    assert counts(database, "sources", "quotes") == {"sources": 1, "quotes": 7}


def test_a_frozen_holder_is_taken_over_and_writes_nothing_once_thawed(database: URL):
    script = {"batch_size": BATCH, "wait_before": 1}
    with started(database, COINS, **script) as frozen:
        committed(database, BATCH)
        frozen.send_signal(signal.SIGSTOP)
        early = load(database, RECORDS, holder_silence_seconds=60)
        assert early.reason == "AlreadyRunning"
        wait_until(
            database,
            "SELECT clock_timestamp() - heartbeat_at > '10 ms' FROM etl_runs"
            " WHERE status = 'running'",
        )
        takeover = load(database, RECORDS, batch_size=BATCH, holder_silence_seconds=0.01)
        assert (takeover.status, takeover.counts.processed) == ("success", 5), takeover.message
        before = facts(database)
        frozen.send_signal(signal.SIGCONT)
        zombie = outcome_of(frozen)
    assert (zombie["exit_code"], zombie["status"]) == (75, "failure")
    assert facts(database) == before
    assert contradictions(database) == {}
    query = "SELECT status FROM etl_runs WHERE status <> 'skipped' ORDER BY started_at"
    assert rows(database, query) == [("interrupted",), ("success",)]


def test_a_signal_while_the_upstream_is_slow_ends_the_process_in_time(database: URL):
    with started(database, COINS, batch_size=BATCH, wait_before=1) as process:
        committed(database, BATCH)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().count("Terminated") == 1
        assert process.wait() == 143
    assert value(database, "SELECT reason FROM etl_runs") == "Terminated"
    assert counts(database, "quotes") == {"quotes": BATCH}
    assert load(database, RECORDS, batch_size=BATCH).counts.processed == 5
