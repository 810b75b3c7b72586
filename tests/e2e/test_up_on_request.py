"""Runs that somebody asks for while `cryptosource up` serves."""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from support.collector import collecting
from support.commands import cryptosource, environment
from support.manifests import csv, row, write, write_rows
from support.oracle import contradictions, rows, value
from support.serving import ServedApi, serving
from support.waits import eventually

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two sources, due in a year, of which one has not run at the start; and one suspended."""
    file = write_rows(tmp_path / "coins.csv", map(row, range(1, 11)))
    rarely = {"schedule": "0 0 1 1 *"}
    return write(
        tmp_path,
        csv(file, **rarely),
        csv(file, name="late", runOnCreate=False, **rarely),
        csv(file, name="asleep", suspend=True, **rarely),
    )


def ask(api: ServedApi, **body: Any) -> tuple[int, dict[str, Any]]:
    with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)) as link:
        headers = {"Content-Type": "application/json"}
        link.request("POST", "/trigger-etl", json.dumps(body), headers)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())


def done(api: ServedApi, request_id: str) -> dict[str, Any]:
    """Wait until a request is done; return what became of it."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = api.get(f"/trigger-etl/{request_id}")["data"]
        return found

    eventually(lambda: look()["status"] not in {"pending", "accepted", "running"})
    return look()


def test_up_makes_the_runs_that_the_api_and_the_command_ask_for(
    manifest: Path, env: dict[str, str], tmp_path: Path
) -> None:
    with serving("up", "-f", manifest, env=env, folder=tmp_path) as api:
        api.finish_first_runs()

        status, asked = ask(api, source="late")
        assert status == 202
        late = done(api, asked["data"]["request_id"])
        assert late["status"] == "succeeded", late
        assert late["answered_by"].startswith("up/")
        (run,) = late["runs"]
        assert run["source"] == "late"
        shown = api.get(f"/stats/runs/{run['run_id']}")["data"]
        assert (shown["trigger"], shown["loaded"]) == ("api", 10)

        status, refused = ask(api, source="asleep")
        assert (status, refused["detail"]) == (
            409,
            "The source asleep is suspended; set spec.suspend to false first",
        )

        everything = done(api, ask(api, all=True)[1]["data"]["request_id"])
        assert everything["status"] == "succeeded"
        assert {run["source"] for run in everything["runs"]} == {"file", "late"}

        namespace = everything["runs"][0]["namespace"]
        ran = cryptosource("trigger", f"{namespace}/file", "--wait", "60", "-o", "json", env=env)
        assert ran.returncode == 0, ran.stderr
        found = json.loads(ran.stdout)
        assert (found["status"], found["source"]) == ("succeeded", "file")
        assert found["requested_by"].startswith("cli/")

        runs = api.get("/stats/runs", trigger="api")["data"]
        assert sorted(run["source"] for run in runs) == ["file", "file", "late", "late"]
        assert {run["status"] for run in runs} == {"success"}


@pytest.mark.parametrize("point", ["request-accepted", "claimed", "page-committed", "finished"])
def test_a_request_that_was_accepted_is_run_exactly_once_whenever_up_is_killed(
    manifest: Path, env: dict[str, str], database: URL, tmp_path: Path, point: str
) -> None:
    first_runs = 0 if point == "request-accepted" else 1
    crash = {"CRYPTOSOURCE_CRASH_AT": f"{point}:{first_runs + 1}"}
    with serving("up", "-f", manifest, env=env | crash, folder=tmp_path) as api:
        api.finish_first_runs()
        with suppress(ConnectionError, http.client.HTTPException):  # it may die before it answers
            ask(api, source="late")
        assert api.command.wait() == -signal.SIGKILL
    request_id = value(database, "SELECT request_id FROM run_requests")

    with serving("up", "-f", manifest, env=env, folder=tmp_path, name="again") as api:
        found = done(api, request_id)
        eventually(lambda: api.get(f"/trigger-etl/{request_id}")["data"]["status"] == "succeeded")
        after = done(api, ask(api, source="late")[1]["data"]["request_id"])

    assert after["status"] == "succeeded"
    assert [run["source"] for run in found["runs"]] == ["late"]
    query = (
        "SELECT count(*) FILTER (WHERE status = 'success'), "
        "count(*) FILTER (WHERE status NOT IN ('success', 'interrupted')) "
        "FROM etl_runs WHERE trigger = 'api' GROUP BY job_name"
    )
    assert rows(database, query) == [(1, 0), (1, 0)]
    assert value(database, "SELECT count(*) FROM quotes") == 20
    assert contradictions(database) == {}


def test_of_a_request_for_all_each_source_is_run_once_though_up_is_killed(
    manifest: Path, env: dict[str, str], database: URL, tmp_path: Path
) -> None:
    crash = {"CRYPTOSOURCE_CRASH_AT": "finished:2"}
    with serving("up", "-f", manifest, env=env | crash, folder=tmp_path) as api:
        api.finish_first_runs()
        with suppress(ConnectionError, http.client.HTTPException):
            ask(api, all=True)
        assert api.command.wait() == -signal.SIGKILL
    request_id = value(database, "SELECT request_id FROM run_requests")

    with serving("up", "-f", manifest, env=env, folder=tmp_path, name="again") as api:
        eventually(lambda: api.get(f"/trigger-etl/{request_id}")["data"]["status"] == "succeeded")

    query = (
        "SELECT s.name, count(*) FROM etl_runs r JOIN sources s USING (source_id) "
        "WHERE r.trigger = 'api' AND r.status = 'success' GROUP BY 1 ORDER BY 1"
    )
    assert rows(database, query) == [("file", 1), ("late", 1)]


def test_a_run_that_the_api_asked_for_is_one_trace_from_the_request_to_its_row(
    manifest: Path, env: dict[str, str], database: URL, tmp_path: Path
) -> None:
    with collecting() as collector:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with serving("up", "-f", manifest, env=env | told, folder=tmp_path) as api:
            api.finish_first_runs()
            with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)) as link:
                headers = {"Content-Type": "application/json", "traceparent": GIVEN}
                link.request("POST", "/trigger-etl", '{"source": "late"}', headers)
                request_id = json.loads(link.getresponse().read())["data"]["request_id"]
            (run,) = done(api, request_id)["runs"]
            shown = api.get(f"/stats/runs/{run['run_id']}")["data"]
            trace_id = GIVEN[3:35]
            both = {"etl.run", "POST /trigger-etl"}  # each of them has an exporter of its own
            eventually(lambda: both <= {span.name for span in collector.of(trace_id)})

    assert shown["trace_id"] == trace_id
    spans = {span.span_id: span for span in collector.of(trace_id)}
    named = {span.name: span for span in spans.values()}
    assert named["POST /trigger-etl"].service == "cryptosource-api"
    assert named["etl.run"].service == "cryptosource-etl"
    assert spans[named["etl.run"].parent_id].service == "cryptosource-api"
    strangers = {span.parent_id for span in spans.values()} - spans.keys()
    assert strangers == {GIVEN[36:52]}
    others = {span.trace_id for span in collector.spans if span.name == "etl.run"} - {trace_id}
    assert len(others) == 1  # the first run, which nobody asked for


def test_trigger_says_what_is_wrong_and_makes_nothing(env: dict[str, str], tmp_path: Path) -> None:
    def said(*arguments: str, **variables: str) -> str:
        ran = cryptosource("trigger", *arguments, env={**env, **variables})
        assert ran.returncode != 0
        assert "Traceback" not in ran.stderr
        return ran.stderr

    assert "there is no source test/nobody" in said("test/nobody")
    assert "no source that could run" in said("--all")
    assert "NAMESPACE/NAME" in said()
    assert "NAMESPACE/NAME" in said("a/b", "--all")
    assert "a/b/c" in said("a/b/c")
    assert "printable" in said("a", "--idempotency-key", "\n")
    nowhere = environment(None, tmp_path / "nowhere")
    ran = cryptosource("trigger", "a", env=nowhere)
    assert "cryptosource up" in ran.stderr
    assert not (tmp_path / "nowhere" / "postgres").exists()


def test_trigger_that_nobody_takes_up_says_so(
    manifest: Path, env: dict[str, str], tmp_path: Path
) -> None:
    first = cryptosource("run", "-f", manifest, "--source", "file", env=env)
    assert first.returncode == 0, first.stderr

    once = cryptosource("trigger", "file", "--idempotency-key", "a", env=env)
    again = cryptosource("trigger", "file", "--idempotency-key", "a", "--wait", "1", env=env)

    assert once.returncode == 0
    assert ": pending; request " in once.stdout
    assert (again.returncode, again.stdout) == (1, once.stdout)
