"""The whole system on real pods: a cluster for the session, the chart installed once in it.

A test asks for `sources` to make CryptoSources in the release's namespace, `market` for the vendors
they read, `store` and `api` to see what came of it. What a test makes is gone after it: sources with
their Jobs, rows, the market's moods. Nothing here runs without pods; where no cluster can run, the
tests fail and say why, unless CRYPTOSOURCE_TEST_PODS=skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hack.cluster.choosing import Cluster
from hack.cluster.errors import ClusterError

from support import market_pod
from support.built_programs import built_program
from support.chart import Helm
from support.cluster import SKIP_VARIABLE, image_values, running_cluster
from support.kube import Kube
from support.leftovers import Seen, crd, look
from support.market import RunningMarket
from support.release import GONE_SECONDS, Release, merged, restricted_namespace, served
from support.services import HttpService, PodDatabase
from support.source_objects import Sources
from support.waits import OutOfTime, eventually

FILE = "symbol,name,price_usd,created_at\nBTC,Bitcoin,16973.8,2018-01-06T09:24:21Z\n"
TEST_SECONDS = 300
"""For a test alone: its fixtures, the session's cluster among them, have deadlines of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give pods more time than other tests; a test's own mark counts for more."""
    for item in items:
        if "pods" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with a kubelet: KUBECONFIG's, kind, or the single node; see `support.cluster`."""
    if os.environ.get(SKIP_VARIABLE) == "skip":
        pytest.skip(f"{SKIP_VARIABLE}=skip: nothing is tested on pods")
    try:
        with running_cluster() as cluster:
            yield cluster
    except ClusterError as error:
        pytest.fail(
            f"no cluster with pods: {error}\n(set {SKIP_VARIABLE}=skip to test without one)",
            pytrace=False,
        )


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> dict[str, Any]:
    """The chart's values that name the images of the tree, which are in the cluster."""
    return image_values(cluster)


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> Iterator[Kube]:
    """The administrator's client; the cluster must have no operator that serves every namespace."""
    kube = Kube(cluster.kubeconfig)
    others = served(kube)
    if others:
        pytest.fail(f"uninstall first, or it takes part: {', '.join(others)}", pytrace=False)
    yield kube
    kube.http.close()


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4."""
    return Helm(program=built_program("helm", "helm"), home=tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def home(kube: Kube) -> Iterator[str]:
    """The namespace of the session's release, at the restricted level."""
    with restricted_namespace(kube, "prices") as name:
        yield name


@pytest.fixture(scope="session")
def settings(kube: Kube, images: dict[str, Any], home: str) -> dict[str, Any]:
    """The values of the session's release: its own namespace alone, no volume, no spread."""
    address = market_pod.open_service(kube, home)
    return merged(
        images,
        {
            "crds": {"enabled": crd(kube) is None, "keep": False},
            "database": {"development": {"persistence": {"enabled": False}}},
            "operator": {
                "namespaces": ["{{ .Release.Namespace }}"],
                "extraEnv": [{"name": "CRYPTOSOURCE_POD_CHECK_SECONDS", "value": "2"}],
            },
            "runs": {"env": {"CRYPTOSOURCE_EGRESS_ALLOW": f"{address}/32"}, "spreadSeconds": 0},
        },
    )


@pytest.fixture(scope="session")
def release(
    cluster: Cluster, kube: Kube, helm: Helm, home: str, settings: dict[str, Any]
) -> Iterator[Release]:
    """The chart, installed and ready, for the session."""
    release = Release(helm=helm, kubeconfig=cluster.kubeconfig, kube=kube, namespace=home)
    try:
        release.install(settings)
        yield release
    finally:
        release.uninstall()
    if settings["crds"]["enabled"]:
        eventually(lambda: crd(kube) is None, seconds=GONE_SECONDS, what="the CRD is gone")


@pytest.fixture(scope="session")
def market_of_session(kube: Kube, settings: dict[str, Any], home: str) -> RunningMarket:
    """The market's pod."""
    image = settings["image"]
    return market_pod.open_market(kube, home, image=f"{image['repository']}/etl:{image['tag']}")


@pytest.fixture
def market(market_of_session: RunningMarket) -> Iterator[RunningMarket]:
    """A CoinPaprika and a CoinGecko in the cluster, as new; `paprika_url` and `gecko_url` are theirs."""
    yield market_of_session
    market_of_session.control.reset()


@pytest.fixture
def sources(release: Release, kube: Kube, home: str) -> Iterator[Sources]:
    """The CryptoSources of the release's namespace; none are left, nor their pods, nor rows."""
    sources = Sources(kube, home)
    yield sources
    sources.clear()
    release.database.empty()


@pytest.fixture
def coins_csv(kube: Kube, home: str) -> Iterator[dict[str, Any]]:
    """A CSV file with one coin in a ConfigMap, as `spec.csv` names it."""
    path = f"/api/v1/namespaces/{home}/configmaps"
    kube.request("POST", path, {"metadata": {"name": "coins"}, "data": {"coins.csv": FILE}})
    yield {"configMap": {"name": "coins", "key": "coins.csv"}}
    kube.request("DELETE", f"{path}/coins")


@pytest.fixture
def store(release: Release) -> PodDatabase:
    """The release's Postgres, by SQL."""
    return release.database


@pytest.fixture
def api(release: Release) -> HttpService:
    """The release's API, by its Service."""
    return release.api


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold each test to leaving the cluster as it found it."""
    kube, home = request.getfixturevalue("kube"), request.getfixturevalue("home")
    if "release" in request.fixturenames:
        request.getfixturevalue("release")
    if "market" in request.fixturenames:
        request.getfixturevalue("market_of_session")
    before = look(kube, home)
    yield

    def difference() -> Seen:
        return look(kube, home) ^ before

    try:
        eventually(lambda: not difference(), seconds=GONE_SECONDS)
    except OutOfTime:
        pytest.fail(f"the test has left or taken: {sorted(difference())}", pytrace=False)
