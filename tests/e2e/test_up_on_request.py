"""Runs that somebody asks for while `cryptosource up` serves."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.commands import cryptosource, environment, eventually
from support.manifests import csv, row, write, write_rows
from support.serving import ServedApi, serving


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
            "Asleep is suspended; set spec.suspend to false first",
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
