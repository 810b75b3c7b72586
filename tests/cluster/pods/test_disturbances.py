"""What runs beside the runs is killed, doubled, taken away or restarted under them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from hack.cluster.node.cluster import SingleNode

from cryptosource_operator.names import TRIGGER_LABEL
from support.kube import Refused
from support.node_processes import kill
from support.services import kubectl
from support.source_objects import NEVER, of_sources
from support.waits import eventually

CONVERGED_SECONDS = 70


class OperatorDeployment:
    """The operator of the session's release."""

    def __init__(self, release):
        self.release, self.kube = release, release.kube
        self.path = (
            f"/apis/apps/v1/namespaces/{release.namespace}/deployments/{release.fullname}-operator"
        )

    @property
    def pods(self):
        return [pod["metadata"]["name"] for pod in self.release.pods("operator")]

    def ask_for(self, replicas: int) -> None:
        self.kube.merge(self.path, {"spec": {"replicas": replicas}})

    def scale(self, replicas: int) -> None:
        self.ask_for(replicas)
        eventually(
            lambda: (
                self.kube.get(self.path)["status"].get("readyReplicas", 0) == replicas
                and len(self.pods) == replicas
            ),
            seconds=120,
            what=f"{replicas} operators are ready",
        )


@pytest.fixture
def operator(release) -> Iterator[OperatorDeployment]:
    """The operator, one and ready again in the end."""
    operator = OperatorDeployment(release)
    yield operator
    operator.scale(1)


def ready(sources, *names: str) -> None:
    for name in names:
        eventually(
            lambda name=name: sources.condition("Ready", name) == ("True", "Fresh"),
            seconds=120,
            what=f"{name} is ready",
        )


def scheduled(sources, *names: str, seconds: float = 30) -> None:
    for name in names:
        eventually(
            lambda name=name: sources.condition("Scheduled", name) == ("True", "InSync"),
            seconds=seconds,
            what=f"{name} is scheduled",
        )


def names_of(things):
    return sorted(thing["metadata"]["name"] for thing in things)


def runs(store):
    return store.rows(
        "SELECT name, etl_runs.trigger, status FROM etl_runs JOIN sources USING (source_id) "
        "ORDER BY name, etl_runs.trigger"
    )


def test_an_operator_that_is_killed_at_work_has_made_everything_once(
    sources, coins_csv, operator, store
):
    names = [f"source-{number}" for number in range(3)]
    for name in names:
        sources.create(name, csv=coins_csv)
    kill(operator.pods[0])

    ready(sources, *names)
    assert names_of(of_sources(sources.cronjobs())) == names
    assert [job["metadata"]["labels"][TRIGGER_LABEL] for job in of_sources(sources.jobs())] == [
        "create"
    ] * len(names)
    assert runs(store) == [
        {"name": name, "trigger": "create", "status": "success"} for name in names
    ]
    for name in names:
        assert sources.status(name)["totals"]["runs"] == 1


def test_two_operators_make_one_of_everything_and_agree(sources, coins_csv, operator, store):
    operator.scale(2)
    sources.create("shared", csv=coins_csv)
    ready(sources, "shared")
    sources.ask("again", "shared")
    sources.edit_cronjob("shared", schedule="1 1 1 1 *")
    eventually(lambda: sources.cronjob("shared")["spec"]["schedule"] == NEVER)
    eventually(lambda: sources.status("shared").get("totals", {}).get("succeeded") == 2, seconds=90)

    assert [run["trigger"] for run in runs(store)] == ["create", "manual"]
    assert len(of_sources(sources.jobs())) == 2
    # Made, changed by hand, put right: whoever came second has found nothing to do.
    assert sources.cronjob("shared")["metadata"]["generation"] == 3
    told = [
        event["reason"]
        for event in sources.kube.items(f"/api/v1/namespaces/{sources.namespace}/events")
        if event["involvedObject"]["kind"] == "CryptoSource"
        and event["involvedObject"]["name"] == "shared"
    ]
    assert len(told) == len(set(told))


def retired(store):
    rows = store.rows("SELECT name FROM sources WHERE retired_at IS NOT NULL ORDER BY name")
    return [row["name"] for row in rows]


def test_a_source_is_deleted_while_the_operator_is_away(sources, coins_csv, operator, store, api):
    sources.create("gone", csv=coins_csv)
    ready(sources, "gone")
    operator.scale(0)

    sources.delete("gone")

    eventually(
        lambda: of_sources([*sources.cronjobs(), *sources.jobs()]) == [],
        seconds=60,
        what="children are gone",
    )
    operator.ask_for(1)
    eventually(lambda: retired(store) == ["gone"], seconds=120)
    assert api.get("/health")["data"]["sources"] == []
    assert [coin["symbol"] for coin in api.get("/data?source=gone")["data"]] == ["BTC"]


@contextmanager
def postgres_away(store) -> Iterator[None]:
    """Have Postgres refuse everybody, and keep what is in it."""
    database = store.execute("SELECT current_database()").strip()
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    _administer(store, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false; {others}")
    try:
        yield
    finally:
        _administer(store, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


def _administer(store, statement: str) -> None:
    psql = (
        'PGPASSWORD=$POSTGRES_PASSWORD exec psql --host=127.0.0.1 --username="$POSTGRES_USER" '
        "--dbname=postgres --quiet --set=ON_ERROR_STOP=1"
    )
    done = kubectl(
        store.kubeconfig,
        *("--namespace", store.namespace, "exec", "--stdin", store.pod, "--", "sh", "-c", psql),
        stdin=statement,
    )
    assert done.returncode == 0, done.stderr


def test_postgres_is_away_reconciling_goes_on_and_the_status_catches_up(
    sources, coins_csv, operator, store, api
):
    for name in ("kept", "gone"):
        sources.create(name, csv=coins_csv)
    ready(sources, "kept", "gone")

    with postgres_away(store):
        sources.edit("kept", schedule="2 2 2 2 *")
        sources.create("new", csv=coins_csv, runOnCreate=False)
        sources.delete("gone")
        eventually(lambda: sources.cronjob("kept")["spec"]["schedule"] == "2 2 2 2 *", seconds=15)
        scheduled(sources, "new")
        eventually(lambda: sources.condition("DatabaseUnavailable", "kept")[0] == "True")
        assert sources.status("kept")["totals"]["succeeded"] == 1
        eventually(lambda: sources.cronjob("gone") is None)
        sources.ask("in the dark", "kept")
        eventually(lambda: sources.status("kept")["lastHandledRunRequest"] == "in the dark")

    eventually(lambda: sources.condition("DatabaseUnavailable", "kept") == ("", ""), seconds=60)
    eventually(lambda: retired(store) == ["gone"], seconds=60)
    eventually(
        lambda: sources.status("kept")["totals"]["succeeded"] == 2,
        seconds=120,
        what="the run that was asked for has found its way",
    )
    eventually(lambda: api.send("GET", "/health/ready").status_code == 200, seconds=60)


def test_after_a_restart_of_the_api_server_everything_converges(
    cluster, sources, coins_csv, operator
):
    if not isinstance(cluster, SingleNode):
        pytest.skip("only the API server of the single-node cluster is ours to restart")
    sources.create("before", csv=coins_csv)
    ready(sources, "before")
    began = time.monotonic()

    cluster.restart("kube-apiserver", kill=True)
    eventually(lambda: answers(sources), seconds=CONVERGED_SECONDS)
    sources.create("after", csv=coins_csv)
    sources.edit_cronjob("before", schedule="1 1 1 1 *")

    left = CONVERGED_SECONDS - (time.monotonic() - began)
    scheduled(sources, "after", seconds=left)
    eventually(lambda: sources.cronjob("before")["spec"]["schedule"] == NEVER, seconds=left)
    ready(sources, "after")


def answers(sources) -> bool:
    try:
        return sources.get("before") is not None
    except (Refused, httpx.HTTPError):
        return False
