"""One process that knows every secret there is, asked for everything it can say."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pyarrow import parquet
from sqlalchemy import URL
from websockets.sync.client import connect

from cryptosource_api.page import routes as page
from cryptosource_store.api_keys import Scope
from cryptosource_store.engine import session_engine
from support import postgres as postgres_support
from support.api_keys import bearer, make_key
from support.collector import Collector, collecting
from support.commands import cryptosource, environment
from support.manifests import (
    ONE_ATTEMPT,
    closed_url,
    csv,
    gecko,
    paprika,
    row,
    secret,
    write,
    write_rows,
)
from support.market import RunningMarket
from support.secrets import files_that_mention, tables_that_mention
from support.serving import ServedApi, serving
from support.streams import listening
from support.waits import WAIT_SECONDS, Deadline, eventually

CANARIES = {
    "database": "canary-of-the-database",
    "token": "canary-of-the-scheduler-token-0123456789",
    "redis": "canary-of-redis",
    "headers": "canary-of-the-collector-headers",
    "vendor": "canary-of-the-vendor-key",
    "rejected": "canary-of-a-key-the-vendor-refuses",
    "query": "canary-of-a-query-string",
}
SOURCES = ("gecko", "paprika", "away", "file")
DOCUMENTATION = ("/docs", "/redoc", "/openapi.json")
PARQUET = "application/vnd.apache.parquet"
ACCEPTED = ("application/json", "text/html", "text/csv", "application/x-ndjson", PARQUET)
STREAM = "/data/stream"
FROM_THE_START = "0.0"
"""A place to go on from that makes a stream tell all there is."""


@dataclass(frozen=True, kw_only=True)
class Knowing:
    """A process with a secret in every setting that takes one, after its first runs."""

    api: ServedApi
    key: str
    database: URL
    collector: Collector

    @property
    def secrets(self) -> dict[str, str]:
        return CANARIES | {"issued key": self.key}

    def ask(self, target: str, **headers: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.api.port}{target}"
        return httpx.get(url, headers=bearer(self.key) | headers, timeout=WAIT_SECONDS)

    def logs(self, folder: Path) -> dict[str, str]:
        """Return what nobody asked for: prints, logs, spans."""
        return {
            "stdout": self.api.command.stdout,
            "stderr": self.api.command.stderr,
            "log": (folder / "data" / "logs" / "up.jsonl").read_text("utf-8"),
            "spans": "\n".join(span.text for span in self.collector.spans),
        }


@pytest.fixture
def knowing(database: URL, tmp_path: Path, market: RunningMarket) -> Iterator[Knowing]:
    if database.password:
        pytest.skip("this Postgres asks for a password of its own, so it can be no canary")
    database = database.set(password=CANARIES["database"])
    engine = session_engine(database, application="cryptosource-test")
    key = make_key(engine, *Scope)
    engine.dispose()
    market.control.key(CANARIES["vendor"], "demo")
    market.control.key("some-other-key", "paprika")
    rows = [*map(row, range(1, 31)), row(31, price="none")]
    rarely = {"retry": ONE_ATTEMPT}
    manifest = write(
        tmp_path,
        gecko(market.gecko_url, plan="Demo", **rarely),
        paprika(market.paprika_pro_url, plan="Pro", **rarely),
        gecko(closed_url("/api/v3"), name="away", plan="Demo", **rarely),
        csv(write_rows(tmp_path / "coins.csv", rows)),
        secret("gecko", CANARIES["vendor"]),
        secret("away", CANARIES["vendor"]),
        secret("paprika", CANARIES["rejected"]),
    )
    redis = closed_url("/0").replace("http://", f"redis://reader:{CANARIES['redis']}@")
    with collecting() as collector:
        env = environment(
            database,
            tmp_path / "data",
            SCHEDULER_TOKEN=CANARIES["token"],
            CRYPTOSOURCE_API_AUTH="keys",
            CRYPTOSOURCE_REDIS_URL=redis,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"x-collector-key={CANARIES['headers']}",
            OTEL_BSP_SCHEDULE_DELAY="100",
            LOG_LEVEL="DEBUG",
        )
        with serving("up", "-f", manifest, env=env, folder=tmp_path) as api:
            api.finish_first_runs()
            yield Knowing(api=api, key=key, database=database, collector=collector)


def described(knowing: Knowing) -> set[str]:
    """Return the paths of all that can be read; those of pages are not in the description."""
    paths = knowing.ask("/openapi.json").json()["paths"]
    pages = {route.path for route in page.router.routes}  # type: ignore[attr-defined]
    return {path for path in paths if "get" in paths[path]} | pages | {*DOCUMENTATION}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request for a run of `file`."""

    request_id: str
    run_id: str


def trigger(knowing: Knowing) -> Asked:
    """Ask for a run with the scheduler's token, and wait for it."""
    url = f"http://127.0.0.1:{knowing.api.port}/trigger-etl"
    body = {"source": "file", "namespace": "crypto"}
    accepted = httpx.post(url, json=body, headers=bearer(CANARIES["token"]), timeout=WAIT_SECONDS)
    assert accepted.status_code == 202, accepted.text
    request_id = accepted.json()["data"]["request_id"]

    def runs() -> list[dict[str, str]]:
        shown = knowing.ask(f"/trigger-etl/{request_id}").json()["data"]
        return list(shown["runs"]) if shown["status"] == "succeeded" else []

    eventually(runs)
    return Asked(request_id=request_id, run_id=runs()[0]["run_id"])


def filled(path: str, runs: dict[str, str], asked: Asked) -> list[str]:
    """Return what to ask for on a path: for each source and its run, where it has places for them.

    Args:
        path: as it is declared.
        runs: source -> its first run.
        asked: for another run of `file`.
    """
    if path == "/page/{name}":
        return ["/page/page.css", "/page/live.js"]
    if path == "/stats/compare":
        return [f"{path}?a={runs['file']}&b={asked.run_id}"]
    places = path.replace(":path}", "}")
    return sorted(
        {
            places.format(
                namespace="crypto", name=name, run_id=run, coin_id="C1", request_id=asked.request_id
            )
            for name, run in runs.items()
        }
    )


def streamed(knowing: Knowing) -> dict[str, str]:
    """Return what the live streams say to who begins at the start."""
    heard = []
    port = knowing.api.port
    with listening(port, f"last_event_id={FROM_THE_START}", **bearer(knowing.key)) as client:
        heard.append(f"{client.status} {client.headers}")
        with Deadline("a change that is complete") as deadline:
            for event in client.events():
                heard.append(repr(event))
                if event.name == "change" and event.id:
                    break
                deadline.left()
    headers = bearer(knowing.key)
    with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, additional_headers=headers) as client:
        client.send(CANARIES["query"])
        client.send(json.dumps({"type": "subscribe", "last_event_id": FROM_THE_START}))
        with Deadline("a message that is complete") as deadline:
            said = [str(client.recv(deadline.left()))]
            while not json.loads(said[-1]).get("complete"):
                said.append(str(client.recv(deadline.left())))
    return {STREAM: "\n".join(heard), "/ws": "\n".join(said)}


def shown(answer: httpx.Response) -> str:
    """Return all that an answer says; what is compressed inside a file, as text."""
    said = answer.text
    if answer.headers.get("content-type") == PARQUET:
        file = parquet.ParquetFile(io.BytesIO(answer.content))
        said = f"{file.metadata.metadata} {file.schema} {file.read().to_pylist()}"
    return f"{answer.headers} {said}"


def leaks(secrets: dict[str, str], told: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (kind, where)
        for (kind, canary), (where, text) in product(secrets.items(), told.items())
        if canary in text
    ]


def test_no_secret_shows_on_any_page_export_or_stream(knowing: Knowing, tmp_path: Path):
    asked = trigger(knowing)
    listed = knowing.ask("/stats/runs").json()["data"]
    runs = {run["source"]: run["run_id"] for run in listed}
    reasons = {run["source"]: run["reason"] for run in listed}
    paths = described(knowing) - {STREAM}

    told = streamed(knowing)
    seen: set[str] = set()
    for path in paths:
        for target in filled(path, runs, asked):
            query = f"{'&' if '?' in target else '?'}api_key={CANARIES['query']}"
            for accept, tail in product(ACCEPTED, ("", query)):
                answer = knowing.ask(target + tail, Accept=accept)
                where = f"{target} {'with a key in its query ' if tail else ''}as {accept}"
                told[where] = shown(answer)
                if answer.is_success:
                    seen.add(path)
    told |= knowing.logs(tmp_path)

    assert seen == paths, "each was seen as it is when all is well"
    assert reasons == {
        "gecko": "Completed",
        "file": "Completed",
        "paprika": "KeyRejected",
        "away": "UpstreamUnreachable",
    }
    assert "C1," in told["/data as text/csv"]
    assert "'C1'" in told[f"/data as {PARQUET}"]
    assert len(told["spans"]) > 10_000
    assert leaks(knowing.secrets, told) == []
    kept = {
        kind: [
            *tables_that_mention(knowing.database, each),
            *files_that_mention(tmp_path / "data", each),
        ]
        for kind, each in knowing.secrets.items()
    }
    assert not any(kept.values()), kept


def test_no_secret_shows_while_the_database_is_away(
    knowing: Knowing, postgres: URL, tmp_path: Path
):
    paths = described(knowing) - {STREAM}
    nobody = str(UUID(int=0))
    nothing = dict.fromkeys(SOURCES, nobody)
    asked = Asked(request_id=nobody, run_id=nobody)
    name = str(knowing.database.database)
    postgres_support.rename(postgres, name, f"{name}_away")
    try:
        eventually(lambda: knowing.ask("/health/ready").status_code == 503)
        told = {
            f"{target} {accept}": shown(knowing.ask(target, Accept=accept))
            for path in paths
            for target in filled(path, nothing, asked)
            for accept in ACCEPTED
        }
    finally:
        postgres_support.rename(postgres, f"{name}_away", name)

    assert "database" in told["/data application/json"]
    assert leaks(knowing.secrets, told | knowing.logs(tmp_path)) == []


@pytest.mark.parametrize("command", [["api"], ["status"], ["migrate"], ["trigger", "--all"]])
def test_no_secret_shows_in_the_complaint_of_a_command_without_its_database(
    command: list[str], tmp_path: Path
):
    password = CANARIES["database"]
    away = closed_url("/market").replace("http://", f"postgresql://reader:{password}@")
    env = environment(None, tmp_path, DATABASE_URL=away, LOG_LEVEL="DEBUG")

    ran = cryptosource(*command, env=env)

    assert ran.returncode != 0
    assert "127.0.0.1" in ran.stdout + ran.stderr, "it says which database"
    assert password not in ran.stdout + ran.stderr
