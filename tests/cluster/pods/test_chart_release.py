"""What the session's release does on real pods, and what an upgrade does to it."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hack.cluster import building

from support.chart import Refused
from support.kube import BATCH
from support.release import merged
from support.services import kubectl
from support.waits import eventually

HELD_SECONDS = 25
"""How long a vendor takes to answer, so that a run is at work for so long."""
BAD = {"image": {"tag": "no-such-tag"}}


def ready(sources, *names: str) -> None:
    """Wait until sources have loaded something."""
    for name in names:
        eventually(
            lambda name=name: sources.condition("Ready", name)[0] == "True",
            seconds=90,
            what=f"{name} is ready, not {sources.status(name).get('conditions')}",
        )


def test_helms_own_test_passes(release):
    assert "Succeeded" in release.run("test", release.name, "--timeout", "3m")


def test_a_csv_of_a_configmap_is_loaded_and_served(sources, coins_csv, store, api):
    sources.create("coins", csv=coins_csv)
    ready(sources, "coins")

    (coin,) = api.get("/data?ticker=BTC")["data"]
    assert str(coin["price_usd"]) == "16973.8"
    assert store.rows("SELECT status, loaded FROM etl_runs") == [{"status": "success", "loaded": 1}]


def test_both_vendors_are_loaded_from_a_market_in_the_cluster(sources, market, store):
    sources.create("paprika", coinPaprika={"plan": "Free", "baseUrl": market.paprika_url})
    sources.create("gecko", coinGecko={"plan": "Keyless", "baseUrl": market.gecko_url})
    ready(sources, "paprika", "gecko")

    assert {row["status"] for row in store.rows("SELECT status FROM etl_runs")} == {"success"}


def test_people_see_what_became_of_a_source(sources, coins_csv, cluster, home):
    sources.create("coins", csv=coins_csv)
    ready(sources, "coins")

    done = kubectl(cluster.kubeconfig, "--namespace", home, "get", "csrc")
    heading, row = done.stdout.splitlines()

    assert "LAST SUCCESS" in heading
    assert row.split()[:5] == ["coins", "CSV", "0", "0", "1"]
    assert "success" in row.lower()


def test_the_pod_of_a_run_has_no_token(sources, coins_csv):
    sources.create("coins", csv=coins_csv)
    ready(sources, "coins")

    (pod,) = [one for one in sources.pods() if one["metadata"]["name"].startswith("coins-")]
    mounts = [
        mount["mountPath"] for one in pod["spec"]["containers"] for mount in one["volumeMounts"]
    ]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not [path for path in mounts if "serviceaccount" in path]
    assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]


def test_no_pod_is_refused_where_only_restricted_ones_are_admitted(
    sources, coins_csv, kube, home, release
):
    """Of every part, that of maintenance among them, which is due at other times."""
    labels = kube.get(f"/api/v1/namespaces/{home}")["metadata"]["labels"]
    sources.create("coins", csv=coins_csv)
    ready(sources, "coins")
    with job_of(kube, home, f"{release.fullname}-maintain") as job:
        eventually(lambda: kube.get(job)["status"].get("succeeded"), seconds=60)

    events = kube.items(f"/api/v1/namespaces/{home}/events")
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert [one["message"] for one in events if "PodSecurity" in one.get("message", "")] == []


@contextmanager
def job_of(kube, home: str, cronjob: str) -> Iterator[str]:
    """Yield the path of a Job made of a CronJob by hand, as kubectl makes one."""
    base = f"{BATCH}/namespaces/{home}"
    template = kube.get(f"{base}/cronjobs/{cronjob}")["spec"]["jobTemplate"]
    metadata = template.get("metadata", {}) | {"name": "by-hand"}
    kube.request("POST", f"{base}/jobs", {"metadata": metadata, "spec": template["spec"]})
    try:
        yield f"{base}/jobs/by-hand"
    finally:
        kube.request("DELETE", f"{base}/jobs/by-hand?propagationPolicy=Foreground")


def test_the_api_answers_through_its_service(cluster, home, release):
    """By a port-forward, as the notes of the chart say."""
    service = f"service/{release.fullname}-api"
    command = [building.kubectl(), f"--kubeconfig={cluster.kubeconfig}", "--namespace", home]
    with subprocess.Popen(
        [*command, "port-forward", service, ":80"], stdout=subprocess.PIPE, text=True
    ) as forwarding:
        try:
            port = re.search(r":(\d+) ->", forwarding.stdout.readline())[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=30) as got:
                assert got.status == 200
        finally:
            forwarding.terminate()


def test_an_upgrade_loses_no_run(sources, market, store, release, settings):
    """One is at work while operator and API are replaced; one is asked for meanwhile."""
    market.control.fault("delay", vendor="gecko", seconds=HELD_SECONDS)
    before = release.pods("operator")[0]["metadata"]["uid"]
    sources.create("gecko", coinGecko={"plan": "Keyless", "baseUrl": market.gecko_url})
    sources.create(
        "paprika",
        coinPaprika={"plan": "Free", "baseUrl": market.paprika_url},
        runOnCreate=False,
    )
    eventually(
        lambda: store.rows("SELECT 1 FROM etl_runs WHERE status = 'running'"),
        seconds=60,
        what="a run is at work",
    )

    sources.ask("while it is upgraded", "paprika")
    with upgraded(release, settings, {"runs": {"podLabels": {"revision": "next"}}}):
        operator = release.pods("operator")[0]
        ready(sources, "gecko", "paprika")

        runs = store.rows(
            "SELECT name, etl_runs.trigger, status, finished_at FROM etl_runs "
            "JOIN sources USING (source_id) ORDER BY name"
        )
        assert [(run["name"], run["trigger"], run["status"]) for run in runs] == [
            ("gecko", "create", "success"),
            ("paprika", "manual", "success"),
        ]
        assert operator["metadata"]["uid"] != before
        assert runs[0]["finished_at"] > operator["metadata"]["creationTimestamp"].rstrip("Z")
        template = sources.cronjob("gecko")["spec"]["jobTemplate"]["spec"]["template"]
        assert template["metadata"]["labels"]["revision"] == "next"


@contextmanager
def upgraded(release, settings, change) -> Iterator[None]:
    """Upgrade the release with further values; at the end it is as it was."""
    try:
        release.install(merged(settings, change))
        yield
    finally:
        release.install(settings)


def test_an_upgrade_that_cannot_work_fails_in_time_and_is_taken_back(release, settings, api):
    with pytest.raises(Refused) as refused:
        release.install(merged(settings, BAD), "--rollback-on-failure", timeout="20s")

    assert "api" in str(refused.value) or "operator" in str(refused.value)
    status = json.loads(release.run("status", release.name, "--output", "json"))
    assert status["info"]["status"] == "deployed"
    assert api.send("GET", "/health/ready").status_code == 200
    for component in ("api", "operator"):
        eventually(lambda part=component: len(release.pods(part)) == 1, seconds=60)
        (pod,) = release.pods(component)
        (image,) = {one["image"] for one in pod["spec"]["containers"]}
        assert image.endswith(f":{settings['image']['tag']}")
