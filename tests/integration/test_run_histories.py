"""Whoever says how a source is says the same: health, page, command, operator and metrics.

Each case is a history of runs, with what it comes to by the rule of `statements.counted_runs`.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL

from cryptosource_cli.main import cli
from cryptosource_operator.observed_state import condition_of
from cryptosource_operator.source_parser import Readable
from cryptosource_operator.status import summarize
from cryptosource_operator.store_client import RunHistoryReader
from cryptosource_store.engine import session_engine
from cryptosource_store.maintenance import RUNS_KEPT, Retention, maintain
from cryptosource_store.statements.counted_runs import MAX_ATTEMPTS_COUNTED
from support import postgres as postgres_support
from support.api import ApiClient, Market, api_client
from support.commands import environment
from support.html import Element, parse
from support.operators import make_state
from support.sources import make_source

NAMESPACE = "crypto"
DAY = 24 * 60
MAX_AGE = 3 * DAY * 60
ENDED = ("success", "failure", "interrupted")


@dataclass(frozen=True)
class Run:
    """A row of `etl_runs`."""

    status: str
    ago: float
    """Minutes since it ended; of one under way, since it started."""
    job: str | None = None
    """None: a Job of its own."""
    attempt: int = 1
    trigger: str = "schedule"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a history comes to."""

    state: str
    failures: int = 0
    success: float | None = None
    """Minutes since the last success; None: there was none."""
    failure: float | None = None
    """Minutes since the last failure; None: there was none."""
    running: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said of a source."""

    state: str
    failures: int
    success: datetime | None
    """When a run last succeeded."""
    running: bool
    failure: datetime | None = None
    """When a run last failed, where that is told."""


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Where the runs are."""

    url: URL
    now: datetime
    """What the cases count back from."""

    def ago(self, minutes: float | None) -> datetime | None:
        """Return that moment."""
        return None if minutes is None else self.now - timedelta(minutes=minutes)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A history and what it comes to."""

    runs: tuple[Run, ...]
    """Oldest first."""
    says: Expected
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Of the source."""


def case(*runs: Run, columns: Mapping[str, Any] | None = None, **says: Any) -> Case:
    return Case(runs=runs, says=Expected(**says), columns=columns or {})


def replay(status: str, ago: float) -> Run:
    return Run(status, ago, trigger="replay")


GOOD, OLD = Run("success", 20), Run("success", 5 * DAY)
IDLE = tuple(Run("skipped", 100 * DAY - n) for n in range(RUNS_KEPT))
"""So many that retention keeps none of what was before."""

CASES = {
    "never ran": case(state="never_run"),
    "first run": case(Run("running", 1), state="loading", running=True),
    "succeeded": case(GOOD, state="ok", success=20),
    "failed": case(Run("failure", 5), state="failing", failures=1, failure=5),
    "success then failure": case(
        GOOD, Run("failure", 5), state="failing", failures=1, success=20, failure=5
    ),
    "failure then success": case(Run("failure", 30), GOOD, state="ok", success=20, failure=30),
    "three Jobs failed": case(
        GOOD, Run("failure", 9), Run("failure", 6), Run("failure", 3),
        state="failing", failures=3, success=20, failure=3,
    ),
    "three attempts of a Job failed": case(
        GOOD, Run("failure", 9, "a", 1), Run("failure", 6, "a", 2), Run("failure", 3, "a", 3),
        state="failing", failures=1, success=20, failure=3,
    ),
    "interrupted then failed, twice": case(
        GOOD, Run("interrupted", 12, "a", 1), Run("failure", 9, "a", 2),
        Run("interrupted", 6, "b", 1), Run("failure", 3, "b", 2),
        state="failing", failures=2, success=20, failure=3,
    ),
    "interrupted for good": case(
        GOOD, Run("interrupted", 5), state="failing", failures=1, success=20, failure=5
    ),
    "killed run after run": case(
        GOOD, Run("interrupted", 9, "a", 1), Run("interrupted", 8, "a", 2),
        Run("interrupted", 5, "b", 1), Run("interrupted", 4, "b", 2), Run("running", 1, "c", 1),
        state="failing", failures=2, success=20, failure=4, running=True,
    ),
    "interrupted and going on": case(
        GOOD, Run("interrupted", 5, "a", 1), Run("running", 4, "a", 2),
        state="ok", success=20, running=True,
    ),
    "interrupted and done": case(
        Run("interrupted", 25, "a", 1), Run("success", 20, "a", 2), state="ok", success=20
    ),
    "first run interrupted and going on": case(
        Run("interrupted", 5, "a", 1), Run("running", 4, "a", 2), state="loading", running=True
    ),
    "interrupted and its next attempt skipped": case(
        GOOD, Run("interrupted", 5, "a", 1), Run("skipped", 4, "a", 2),
        state="failing", failures=1, success=20, failure=5,
    ),
    "a failed attempt that is tried again": case(
        GOOD, Run("failure", 5, "a", 1), Run("running", 4, "a", 2),
        state="failing", failures=1, success=20, failure=5, running=True,
    ),
    "failure then successful replay": case(
        GOOD, Run("failure", 5), replay("success", 2),
        state="failing", failures=1, success=20, failure=5,
    ),
    "success then rejected replay": case(GOOD, replay("failure", 2), state="ok", success=20),
    "success then interrupted replay": case(
        GOOD, replay("interrupted", 2), state="ok", success=20
    ),
    "replay under way": case(GOOD, replay("running", 2), state="ok", success=20),
    "replayed alone": case(replay("success", 2), state="never_run"),
    "skipped alone": case(Run("skipped", 2), state="never_run"),
    "success then skipped": case(GOOD, Run("skipped", 2), state="ok", success=20),
    "failure then skipped": case(
        Run("failure", 5), Run("skipped", 2), state="failing", failures=1, failure=5
    ),
    "failure then more skipped runs than are looked at": case(
        Run("failure", 500), *(Run("skipped", 400 - n) for n in range(MAX_ATTEMPTS_COUNTED + 5)),
        state="failing", failures=1, failure=500,
    ),
    "stale": case(OLD, state="stale", success=5 * DAY),
    "stale and replayed": case(OLD, replay("success", 2), state="stale", success=5 * DAY),
    "stale and running": case(OLD, Run("running", 2), state="stale", success=5 * DAY, running=True),
    "stale and failing": case(
        OLD, Run("failure", 5), state="failing", failures=1, success=5 * DAY, failure=5
    ),
    "suspended": case(
        OLD, Run("failure", 80), state="suspended", failures=1, success=5 * DAY, failure=80,
        columns={"suspended": True},
    ),
    "suspended before any run": case(state="suspended", columns={"suspended": True}),
    "retired": case(
        GOOD, state="retired", columns={"retired_at": datetime(2026, 3, 1, tzinfo=UTC)}
    ),
    "success forgotten by retention": case(
        Run("success", 200 * DAY), *IDLE, state="stale", success=200 * DAY
    ),
    "failure forgotten by retention": case(
        Run("success", 210 * DAY), Run("failure", 200 * DAY), *IDLE,
        state="failing", failures=1, success=210 * DAY, failure=200 * DAY,
    ),
    "success forgotten while it fails": case(
        Run("success", 300 * DAY), *(Run("failure", 200 * DAY - n) for n in range(RUNS_KEPT + 20)),
        state="failing", failures=MAX_ATTEMPTS_COUNTED, success=300 * DAY,
        failure=200 * DAY - RUNS_KEPT - 19,
    ),
}  # fmt: skip
SHOWN = {name: each for name, each in CASES.items() if each.says.state != "retired"}

Said = Mapping[str, Answer]
"""By the name of the source."""


def named(case_name: str) -> str:
    return re.sub(r"\W+", "-", case_name.lower())


def moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


def fill(market: Market, now: datetime) -> None:
    for name, each in CASES.items():
        source_id = market.source(named(name), max_age_seconds=MAX_AGE, **each.columns)
        for run in each.runs:
            at = now - timedelta(minutes=run.ago)
            under_way = run.status == "running"
            market.run(
                source_id,
                run.status,
                started_at=at if under_way else at - timedelta(seconds=2),
                finished_at=None if under_way else at,
                job_name=run.job or f"job-{uuid.uuid4()}",
                attempt=run.attempt,
                trigger=run.trigger,
                reason=None if under_way else run.status.capitalize(),
            )


@pytest.fixture(scope="module")
def histories(postgres: URL, migrated_template: str) -> Iterator[Histories]:
    """A database with a source for each case, after maintenance."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        engine = session_engine(url, application="cryptosource-test")
        market = Market(engine)
        now = datetime.now(UTC).replace(microsecond=0)
        fill(market, now)
        maintain(url, Retention(run_days=90), now=now)
        gone = market.run_sql(
            "SELECT count(*) FROM sources s WHERE s.name LIKE '%forgotten%' AND NOT EXISTS "
            "(SELECT 1 FROM etl_runs r WHERE r.source_id = s.source_id AND r.status = 'success')"
        )
        assert gone == 3, "retention has deleted no success"
        engine.dispose()
        yield Histories(url=url, now=now)


@contextmanager
def asking(url: URL) -> Iterator[ApiClient]:
    with api_client(url) as api:
        yield api


def health(url: URL, path: str = "/health") -> Said:
    with asking(url) as api:
        body = api.get(path).json()["data"]
    degraded = {each["source"]: each["reason"] for each in body["degraded"]}
    assert degraded == {
        each["source"]: each["reason"] for each in body["sources"] if each["reason"] is not None
    }
    return {
        each["source"]: Answer(
            state=each["state"],
            failures=each["consecutive_failures"],
            success=moment(each["last_success_at"]),
            running=each["running"],
        )
        for each in body["sources"]
    }


def detailed_health(url: URL) -> Said:
    return health(url, "/health/detailed")


BROWSER = {"Accept": "text/html"}
LABELS = {"fresh": "ok", "first run": "loading", "never run": "never_run"}


def page(url: URL) -> Said:
    with asking(url) as api:
        overview = parse(api.get("/", headers=BROWSER).text)
        rows = overview.one("table", class_="sources").one("tbody").all("tr")
        return {
            row.one("a", class_="name").text: page_of_source(
                parse(
                    api.get(row.one("a", class_="name").attributes["href"], headers=BROWSER).text
                ),
                row,
            )
            for row in rows
        }


def page_of_source(shown: Element, row: Element) -> Answer:
    label = shown.one("h1").one(class_="state").text
    assert row.one(class_="c-state").text == label
    success = row.one(class_="c-fresh").all("time")
    streak = re.search(r"(\d+) failures in a row", shown.one(id="history").text)
    failing = label == "failing" or (label == "suspended" and bool(shown.all(id="failure")))
    failure = [
        each.one("time")
        for section in shown.all("section", **{"aria-labelledby": "failure"})
        for each in section.all("h2")
    ]
    return Answer(
        state=LABELS.get(label, label),
        failures=int(streak[1]) if streak else int(failing),
        success=moment(success[0].attributes["datetime"]) if success else None,
        failure=moment(failure[0].attributes["datetime"]) if failure else None,
        running="running for" in row.one(class_="c-runs").text,
    )


def command(url: URL) -> Said:
    runner = CliRunner(env=environment(url, Path.cwd()))
    listed = json.loads(runner.invoke(cli, ["status", "-o", "json"]).stdout)
    return {
        each["source"]: Answer(
            state=each["state"],
            failures=each["consecutive_failures"],
            success=moment(each["last_success_at"]),
            running=each["running"],
        )
        for each in listed
    }


def statuses(url: URL) -> dict[str, dict[str, Any]]:
    """Return what the operator writes of each source, by its name."""

    async def read() -> dict[str, Any]:
        database = RunHistoryReader(url, cluster="test")
        names = {f"uid-{named(name)}-{NAMESPACE}": name for name in CASES}
        known = await asyncio.gather(*(database.read(uid) for uid in names))
        await database.close()
        return dict(zip(names.values(), known, strict=True))

    written = {}
    for name, known in asyncio.run(read()).items():
        if known is not None:
            columns = CASES[name].columns
            spec = {"suspend": columns.get("suspended", False), "runOnCreate": False}
            source = make_source(freshness={"maxAgeSeconds": MAX_AGE}, **spec)
            reading = Readable(source=source)
            state = make_state(reading=reading, history=known.history, now=datetime.now(UTC))
            written[named(name)] = summarize(state)
    return written


def operator(url: URL) -> Said:
    return {
        name: Answer(
            state=state_in(status),
            failures=status["consecutiveFailures"],
            success=moment(status.get("lastSuccessTime")),
            failure=moment(status.get("lastFailureTime")),
            running=is_running(status),
        )
        for name, status in statuses(url).items()
    }


def is_running(status: Mapping[str, Any]) -> bool:
    return status.get("lastRun", {}).get("status") == "running"


def state_in(status: Mapping[str, Any]) -> str:
    said = {
        kind: condition_of(status, kind).get("status")
        for kind in ("Suspended", "LastRunSucceeded", "Fresh")
    }
    if said["Suspended"] == "True":
        return "suspended"
    if said["LastRunSucceeded"] == "False":
        return "failing"
    if said["LastRunSucceeded"] == "Unknown":
        return "loading" if is_running(status) else "never_run"
    return "ok" if said["Fresh"] == "True" else "stale"


Gauges = Mapping[str, Mapping[str, float]]


def scrape(url: URL) -> tuple[Gauges, dict[str, dict[str, int]]]:
    """Return the gauges of each source, and its ended runs by status."""
    gauges: dict[str, dict[str, float]] = {}
    runs: dict[str, dict[str, int]] = {}
    with asking(url) as api:
        families = list(text_string_to_metric_families(api.get("/metrics").text))
    for sample in (sample for family in families for sample in family.samples):
        source = sample.labels.get("source", "")
        if sample.name == "etl_runs_total":
            counted = runs.setdefault(source, dict.fromkeys(ENDED, 0))
            status = sample.labels["status"]
            counted[status] = counted.get(status, 0) + int(sample.value)
        elif source:
            gauges.setdefault(source, {})[sample.name] = sample.value
    return gauges, runs


def metrics(url: URL) -> Said:
    """Return what the metrics say, judged as the alerts judge."""
    return {
        source: Answer(
            state=state_by(gauges),
            failures=int(gauges["etl_consecutive_failures"]),
            success=seconds_ago(gauges.get("etl_freshness_seconds")),
            running=bool(gauges["etl_running"]),
        )
        for source, gauges in scrape(url)[0].items()
    }


def seconds_ago(age: float | None) -> datetime | None:
    return None if age is None else datetime.now(UTC) - timedelta(seconds=age)


def state_by(gauges: Mapping[str, float]) -> str:
    if gauges["etl_suspended"]:
        return "suspended"
    if gauges["etl_consecutive_failures"]:
        return "failing"
    if "etl_freshness_seconds" not in gauges:
        return "loading" if gauges["etl_running"] else "never_run"
    old = gauges["etl_freshness_seconds"] > gauges["etl_freshness_limit_seconds"]
    return "stale" if old else "ok"


READERS: tuple[Callable[[URL], Said], ...] = (
    *(health, detailed_health, page, command, operator, metrics),
)


@pytest.fixture(scope="module", params=READERS, ids=lambda reader: reader.__name__)
def said(request: pytest.FixtureRequest, histories: Histories) -> Said:
    return request.param(histories.url)


def test_every_source_is_spoken_of_but_a_retired_one(said: Said):
    assert set(said) == {named(name) for name in SHOWN}


@pytest.mark.parametrize("name", SHOWN)
def test_a_history_comes_to_the_same_for_whoever_asks(histories: Histories, said: Said, name: str):
    answer, expected = said[named(name)], SHOWN[name].says

    assert (answer.state, answer.failures) == (expected.state, expected.failures)
    assert answer.running == expected.running
    assert_same_minute(answer.success, histories.ago(expected.success))


def assert_same_minute(told: datetime | None, expected: datetime | None) -> None:
    """Compare moments; an age that a metric tells is a little older than the moment it is read."""
    assert (told is None) == (expected is None)
    if told is not None and expected is not None:
        assert abs(told - expected) < timedelta(minutes=1)


@pytest.fixture(scope="module")
def shown_and_written(histories: Histories) -> tuple[Said, Said]:
    return page(histories.url), operator(histories.url)


@pytest.mark.parametrize("name", SHOWN)
def test_the_last_failure_is_the_same_on_the_page_and_in_the_status(
    histories: Histories, shown_and_written: tuple[Said, Said], name: str
):
    shown, written = (said[named(name)] for said in shown_and_written)
    expected = SHOWN[name].says

    assert_same_minute(written.failure, histories.ago(expected.failure))
    if expected.state != "failing":  # then the page says it as the source's state
        assert_same_minute(shown.failure, histories.ago(expected.failure))


def ended_runs(each: Case) -> dict[str, int]:
    return {
        status: sum(run.status == status and run.trigger != "replay" for run in each.runs)
        for status in ENDED
    }


def test_totals_of_runs_are_the_same_after_retention_and_leave_replays_out(histories: Histories):
    written, (_, counted) = statuses(histories.url), scrape(histories.url)

    for name, each in SHOWN.items():
        runs, totals = ended_runs(each), written[named(name)]["totals"]
        assert totals["runs"] == sum(runs.values()), name
        assert (totals["succeeded"], totals["failed"]) == (runs["success"], runs["failure"]), name
        found = counted.get(named(name), dict.fromkeys(ENDED, 0))
        assert {status: found[status] for status in ENDED} == runs, name
