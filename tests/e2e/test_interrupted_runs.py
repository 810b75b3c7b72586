"""Runs that fail on request, are killed or told to stop, and the run after them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from cryptosource_etl.crash_points import RUN_CRASH_POINTS
from support import postgres as postgres_support
from support.commands import cryptosource, environment, started
from support.held_upstream import held_upstream
from support.manifests import csv, gecko, paprika, row, write, write_rows
from support.market import RunningMarket, running_market
from support.oracle import contradictions, counts, facts, rows, value
from support.waits import eventually

STORED = ("quotes", "raw_records", "quotes_latest", "unified")
COMMITTED = "SELECT records_committed FROM etl_checkpoints"
RUNS = "SELECT status, reason, message FROM etl_runs ORDER BY started_at"
COUNTED = "SELECT processed, loaded, unchanged FROM etl_runs ORDER BY started_at"
GECKO_COINS = 520
"""Three pages of CoinGecko's."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("interrupted")


@pytest.fixture(scope="module")
def gecko_market() -> Iterator[RunningMarket]:
    with running_market(coins=GECKO_COINS) as market:
        yield market


@pytest.fixture(scope="module")
def manifests(folder: Path, gecko_market: RunningMarket) -> dict[str, Path]:
    """One of each kind, all of several pages."""
    file = write_rows(folder / "coins.csv", map(row, range(1, 26)))
    return {
        "csv": write(folder, csv(file, batchSize=10), name="csv"),
        "gecko": write(folder, gecko(gecko_market.gecko_url), name="gecko"),
    }


@pytest.fixture(scope="module")
def undisturbed(postgres: URL, migrated_template: str, folder: Path, manifests):
    """Kind -> what the tables say after a run that nothing happened to."""
    found = {}
    for kind, manifest in manifests.items():
        with postgres_support.database(postgres, template=migrated_template) as url:
            assert cryptosource("run", "-f", manifest, env=environment(url, folder)).returncode == 0
            found[kind] = facts(url)
    return found


@pytest.mark.parametrize("kind", ["csv", "market"])
def test_fail_after_ten_records_leaves_ten_and_the_next_run_loads_fifteen(
    database: URL, run, tmp_path: Path, market: RunningMarket, kind: str
) -> None:
    file = write_rows(tmp_path / "coins.csv", map(row, range(1, 26)))
    source = csv(file) if kind == "csv" else paprika(market.paprika_url)
    manifest = write(tmp_path, source)

    failing = run(manifest, FAIL_AFTER_N_RECORDS="10")

    assert failing.returncode == 75
    assert "failure (InjectedFailure)" in failing.stdout
    assert value(database, COMMITTED) == 10
    assert set(counts(database, *STORED).values()) == {10}

    again = run(manifest)

    assert again.returncode == 0
    assert "15 loaded, 0 unchanged, 0 rejected" in again.stdout
    assert set(counts(database, *STORED).values()) == {25}
    assert rows(database, COUNTED) == [(10, 10, 0), (15, 15, 0)]
    assert contradictions(database) == {}


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        *(("csv", point) for point in RUN_CRASH_POINTS),
        ("csv", "checkpoint-moved:3"),
        ("gecko", "page-merged:2"),
        ("gecko", "page-committed:1"),
    ],
)
def test_killed_run_and_its_rerun_end_like_a_run_that_was_never_killed(
    database: URL, run, manifests, undisturbed, kind: str, point: str
) -> None:
    killed = run(manifests[kind], CRYPTOSOURCE_CRASH_AT=point)
    assert killed.returncode == -signal.SIGKILL

    again = run(manifests[kind])

    assert again.returncode == 0, again.stdout + again.stderr
    assert facts(database) == undisturbed[kind]
    assert contradictions(database) == {}
    first = rows(database, RUNS)[0]
    if point != "finished":
        assert first == ("interrupted", "Interrupted", "Interrupted due to restart")


def test_sigterm_between_pages_keeps_whole_pages_and_the_rerun_completes(
    database: URL, run, env, folder: Path, manifests, undisturbed, gecko_market: RunningMarket
) -> None:
    drip = {"kind": "drip", "bytes_per_second": 200}
    gecko_market.control.rule(drip, vendor="gecko", page=3, times=1)
    with started("run", "-f", manifests["gecko"], env=env, folder=folder) as running:
        eventually(lambda: rows(database, COMMITTED) == [(500,)] or running.ended)
        running.signal(signal.SIGTERM)
        assert running.wait() == 143

    assert "Traceback" not in running.stderr
    assert rows(database, RUNS)[0][:2] == ("interrupted", "Terminated")
    assert set(counts(database, *STORED).values()) == {500}
    assert contradictions(database) == {}

    assert run(manifests["gecko"]).returncode == 0
    assert facts(database) == undisturbed["gecko"]


def test_sigterm_before_the_first_answer_leaves_nothing_behind(
    database: URL, run, env, folder: Path, market: RunningMarket
) -> None:
    body = market.fetch("/v1/tickers?quotes=USD").body
    with held_upstream(body) as upstream:
        manifest = write(folder, paprika(upstream.url), name="held")
        with started("run", "-f", manifest, env=env, folder=folder) as running:
            assert upstream.asked.wait(60)
            running.signal(signal.SIGTERM)
            assert running.wait() == 143
        assert set(counts(database, *STORED).values()) == {0}
        upstream.released.set()
        again = run(manifest)

    assert "25 loaded" in again.stdout


def test_of_twenty_runs_at_once_one_loads_and_nineteen_are_skipped(
    database: URL, env, folder: Path, market: RunningMarket
) -> None:
    body = market.fetch("/v1/tickers?quotes=USD").body
    with held_upstream(body) as upstream, ExitStack() as stack:
        manifest = write(folder, paprika(upstream.url), name="held")
        crowd = [
            stack.enter_context(
                started("run", "-f", manifest, env=env, folder=folder, name=f"run-{number}")
            )
            for number in range(20)
        ]
        eventually(lambda: sum(one.ended for one in crowd) == 19, seconds=110)
        upstream.released.set()
        codes = [one.wait() for one in crowd]

    assert codes == [0] * 20, [one.stderr for one in crowd]
    told = [one.stdout for one in crowd]
    assert sum("skipped (AlreadyRunning)" in text for text in told) == 19
    assert sum("success (Completed): 25 loaded" in text for text in told) == 1
    statuses = rows(database, "SELECT status, count(*) FROM etl_runs GROUP BY 1 ORDER BY 1")
    assert statuses == [("skipped", 19), ("success", 1)]
    assert contradictions(database) == {}
