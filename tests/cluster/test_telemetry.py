"""One trace from who asked to the status, and no secret in anything that a run leaves behind."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL

from cryptosource_store.api_keys import Scope, digest_of
from cryptosource_store.engine import session_engine
from cryptosource_telemetry.trace_context import parse_traceparent
from support.api_keys import bearer, make_key
from support.collector import Collector, collecting
from support.commands import LOOPBACK, environment
from support.job_process import run_pod
from support.kube import BATCH, Refused
from support.market import RunningMarket, running_market
from support.monitoring import exposed, expressions, missing
from support.operator_process import OperatorProcess, operating
from support.oracle import rows
from support.secrets import tables_that_mention
from support.serving import serving
from support.source_objects import Sources
from support.waits import eventually

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CANARIES = {
    "vendor": "canary-of-the-vendor-key",
    "database": "canary-of-the-database",
    "token": "canary-of-the-scheduler-token-0123456789",
    "headers": "canary-of-the-collector-headers",
    "userinfo": "canary-of-the-base-url",
    "query": "canary-of-a-query-string",
}


@dataclass(frozen=True, kw_only=True)
class System:
    """An API, an operator and a collector that work together; runs are made by hand."""

    api: str
    api_log: Any
    operator: OperatorProcess
    collector: Collector
    market: RunningMarket
    database: URL
    sources: Sources
    folder: Path
    key: str
    finished: list[subprocess.CompletedProcess[str]] = field(default_factory=list)

    def make(self, name: str, base_url: str, **spec: Any) -> None:
        """Make a CoinGecko source that runs when it is asked to."""
        gecko = {
            "plan": "Demo",
            "baseUrl": base_url,
            "selection": {"top": 50},
        }
        settings = {
            "apiKeySecretRef": {"name": "gecko", "key": "api-key"},
            "retry": {"maxAttempts": 1},
            "runOnCreate": False,
        }
        self.sources.create(name, coinGecko=gecko, **(settings | spec))
        eventually(lambda: self.sources.condition("Scheduled", name)[0] == "True")

    def trigger(self, name: str, **headers: str) -> httpx.Response:
        """Ask for a run through the API."""
        body = {"source": name, "namespace": self.sources.namespace}
        token = bearer(CANARIES["token"])
        return httpx.post(f"{self.api}/trigger-etl", json=body, headers=token | headers, timeout=30)

    def run_job(self, name: str, trigger: str) -> str:
        """Run the pod that the cluster has made for a source; return its Job's name."""

        def found() -> dict[str, Any] | None:
            wanted = {"cryptosource.io/source": name, "cryptosource.io/trigger": trigger}
            pods = (
                pod
                for pod in self.sources.pods()
                if wanted.items() <= pod["metadata"]["labels"].items()
            )
            return next(pods, None)

        pod = eventually(found, what=f"a pod of {name}")
        secrets = {
            ("gecko", "api-key"): CANARIES["vendor"],
            ("cryptosource-database", "uri"): self.database.render_as_string(hide_password=False),
        }
        self.finished.append(run_pod(pod, self.folder, secrets))
        return str(pod["metadata"]["labels"]["batch.kubernetes.io/job-name"])

    def last_run(self, name: str, job: str) -> dict[str, Any]:
        """Return the last run of a status once it shows the run of a Job."""
        query = f"SELECT run_id::text FROM etl_runs WHERE job_name = '{job}'"
        ((run_id,),) = rows(self.database, query)

        def shown() -> dict[str, Any] | None:
            run = self.sources.status(name).get("lastRun", {})
            return run if run.get("id") == run_id and "finishedAt" in run else None

        return eventually(shown, what="the status shows the run")


@pytest.fixture
def system(sources, module_database, operator_kubeconfig, tmp_path) -> Iterator[System]:
    database = module_database.set(password=CANARIES["database"])
    engine = session_engine(module_database, application="test")
    key = make_key(engine, Scope.READ, Scope.ADMIN)
    engine.dispose()
    with collecting() as collector, running_market() as market:
        telling = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        secret = {"OTEL_EXPORTER_OTLP_HEADERS": f"x-collector-key={CANARIES['headers']}"}
        loud = {"LOG_LEVEL": "DEBUG"}
        job = telling | loud | {"CRYPTOSOURCE_EGRESS_ALLOW": LOOPBACK}
        env = environment(
            database,
            tmp_path / "data",
            SCHEDULER_TOKEN=CANARIES["token"],
            CRYPTOSOURCE_API_AUTH="keys",
            **telling,
            **secret,
        )
        with (
            serving("api", env=env | loud, folder=tmp_path, name="api") as api,
            operating(
                operator_kubeconfig,
                tmp_path,
                database=database,
                namespaces=[sources.namespace],
                CRYPTOSOURCE_JOB_ENV=json.dumps(job),
                **telling,
                **secret,
                **loud,
            ) as operator,
        ):
            yield System(
                api=f"http://127.0.0.1:{api.port}",
                api_log=lambda: api.command.stdout + api.command.stderr,
                operator=operator,
                collector=collector,
                market=market,
                database=database,
                sources=sources,
                folder=tmp_path,
                key=key,
            )


def names(system: System, trace_id: str, service: str) -> set[str]:
    return {span.name for span in system.collector.of(trace_id) if span.service == service}


def test_a_triggered_run_is_one_trace_from_the_request_to_the_status(system: System):
    system.make("gecko", system.market.gecko_url)

    answer = system.trigger("gecko")
    job = system.run_job("gecko", "api")
    run = system.last_run("gecko", job)

    assert answer.status_code == 202, answer.text
    trace_id = f"{parse_traceparent(answer.headers['traceresponse']).trace_id:032x}"
    assert system.finished[-1].returncode == 0, system.finished[-1].stderr
    assert run["traceId"] == trace_id
    assert rows(system.database, f"SELECT trace_id FROM etl_runs WHERE job_name = '{job}'") == [
        (trace_id,)
    ]
    eventually(
        lambda: (
            "operator.request" in names(system, trace_id, "cryptosource-operator")
            and "POST /trigger-etl" in names(system, trace_id, "cryptosource-api")
        )
    )
    api, operator, etl = (
        names(system, trace_id, f"cryptosource-{part}") for part in ("api", "operator", "etl")
    )
    assert any("run_requests" in name or name.startswith(("WITH", "INSERT")) for name in api), api
    assert {"operator.request", "POST jobs"} <= operator
    assert any(name.startswith("UPDATE") or "run_requests" in name for name in operator), operator
    assert {"etl.run", "etl.page", "GET", "INSERT etl_runs"} <= etl, etl
    assert any(name.startswith("UPDATE etl_checkpoints; UPDATE etl_runs") for name in etl), etl
    assert any(name.startswith("COPY ") for name in etl), etl

    spans = {span.span_id: span for span in system.collector.of(trace_id)}
    roots = [span.name for span in spans.values() if not span.parent_id]
    assert roots == ["POST /trigger-etl"]
    assert all(span.parent_id in spans for span in spans.values() if span.parent_id)


def test_a_run_asked_for_by_annotation_goes_on_in_the_trace_beside_it(system: System):
    system.make("gecko", system.market.gecko_url)

    path = (
        f"/apis/cryptosource.io/v1alpha1/namespaces/{system.sources.namespace}/cryptosources/gecko"
    )
    asked = {"cryptosource.io/run-requested-at": "a", "cryptosource.io/traceparent": GIVEN}
    system.sources.kube.merge(path, {"metadata": {"annotations": asked}})
    job = system.run_job("gecko", "manual")
    run = system.last_run("gecko", job)

    trace_id = GIVEN[3:35]
    assert run["traceId"] == trace_id
    eventually(
        lambda: (
            {"operator.reconcile", "POST jobs"} <= names(system, trace_id, "cryptosource-operator")
        )
    )
    assert "etl.run" in names(system, trace_id, "cryptosource-etl")


def test_a_scheduled_run_begins_a_trace_that_links_to_the_reconcile_that_planned_it(system: System):
    system.make("gecko", system.market.gecko_url, schedule="* * * * *")

    def scheduled() -> bool:
        return any(
            job["metadata"]["labels"]["cryptosource.io/trigger"] == "schedule"
            for job in system.sources.jobs()
        )

    eventually(scheduled, seconds=90, what="the CronJob has made a Job")
    job = system.run_job("gecko", "schedule")
    trace_id = system.last_run("gecko", job)["traceId"]

    (run,) = (span for span in system.collector.of(trace_id) if span.name == "etl.run")
    planned = [span for span in system.collector.spans if span.name == "PATCH cronjobs"]
    assert not run.parent_id
    assert run.links == (planned[0].trace_id,)
    assert run.links[0] != trace_id


def everything(system: System) -> dict[str, str]:
    """Return all that the system says to anybody, by where it says it."""
    kube, space = system.sources.kube, system.sources.namespace
    core, batch = f"/api/v1/namespaces/{space}", f"{BATCH}/namespaces/{space}"
    lists = {
        "sources": f"/apis/cryptosource.io/v1alpha1/namespaces/{space}/cryptosources",
        "cronjobs": f"{batch}/cronjobs",
        "jobs": f"{batch}/jobs",
        "pods": f"{core}/pods",
        "events": f"{core}/events",
    }
    headers = bearer(system.key)
    pages = (
        *("/", "/data", "/stats", "/stats/runs", "/health", "/health/detailed", "/metrics"),
        *("/openapi.json", f"/data?api_key={CANARIES['query']}", "/stats/anomalies"),
    )
    html = headers | {"Accept": "text/html"}
    said = {name: json.dumps(kube.request("GET", path)) for name, path in lists.items()}
    for number, run in enumerate(system.finished):
        said[f"run {number}"] = run.stdout + run.stderr
    for page in pages:
        path = f"GET {page.partition('?')[0]}"
        said[path] = httpx.get(system.api + page, headers=headers, timeout=30).text
        said[f"{path} as a page"] = httpx.get(system.api + page, headers=html, timeout=30).text
    said["operator's metrics"] = system.operator.get("/metrics").text
    said["operator's log"] = system.operator.logs
    said["API's log"] = system.api_log()
    said["spans"] = "\n".join(span.text for span in system.collector.spans)
    return said


def test_no_secret_shows_in_anything_that_anybody_says(system: System):
    system.make("good", system.market.gecko_url)
    system.make("away", "http://127.0.0.1:9/api/v3")
    for name in ("good", "away"):
        assert system.trigger(name).status_code == 202
        system.last_run(name, system.run_job(name, "api"))
    refused = f"http://user:{CANARIES['userinfo']}@127.0.0.1/v3?key={CANARIES['query']}"
    with pytest.raises(Refused):
        system.make("refused", refused)
    wrong = {"Authorization": f"Bearer {CANARIES['query']}"}
    assert httpx.get(f"{system.api}/data", headers=wrong).status_code == 401
    assert httpx.get(f"{system.api}/data", params={"key": system.key}).status_code == 401

    canaries = CANARIES | {"issued key": system.key}
    said = everything(system)

    assert [run.returncode for run in system.finished] == [0, 75]
    assert len(said["spans"]) > 10_000
    assert "etl_runs_total" in said["GET /metrics"]
    found = [
        (kind, where)
        for kind, canary in canaries.items()
        for where, text in said.items()
        if re.search(re.escape(canary), text)
    ]
    assert not found
    for kind, canary in canaries.items():
        assert not tables_that_mention(system.database, canary), kind
    digest = digest_of(system.key).hex()
    assert tables_that_mention(system.database, digest) == ["api_keys"]


def test_alerts_and_dashboard_read_only_what_real_processes_expose(system: System):
    system.make("good", system.market.gecko_url)
    system.trigger("good")
    system.last_run("good", system.run_job("good", "api"))

    scraped = httpx.get(f"{system.api}/metrics", headers=bearer(system.key), timeout=30).text
    shown = exposed(scraped, system.operator.get("/metrics").text)

    assert {name: gone for name, text in expressions() if (gone := missing(text, shown))} == {}
