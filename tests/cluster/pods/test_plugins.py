"""A source type of a third party on real pods: its package in the image, its key in a Secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hack.cluster import places
from hack.cluster.choosing import UsersCluster
from hack.images.recipes import RECIPES

from support.image_archives import add_layer
from support.plugin_package import LOGGED, SOURCE_TYPE, package_files
from support.release import merged
from support.source_objects import of_sources
from support.waits import eventually

CANARY = "canary-of-a-plugin-on-pods-Zx81"
FOLDER = "/opt/plugins"
TABLES = """
  SELECT table_name FROM information_schema.tables
   WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"""


@pytest.fixture(scope="module")
def image(cluster, images, tmp_path_factory) -> str:
    """The image etl of the tree with the package in it, in the cluster."""
    if isinstance(cluster, UsersCluster):
        pytest.skip("no image can be loaded into the cluster of KUBECONFIG")
    files = package_files()
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
    tag = images["image"]["tag"]
    reference = RECIPES["etl"].reference(f"{tag}-plugin-{digest}")
    if not cluster.has(reference):
        target = tmp_path_factory.mktemp("images") / "etl-with-plugin.tar"
        add_layer(
            places.cache() / "images" / "archives" / f"etl-{tag}.tar",
            target,
            reference=reference,
            files={f"{FOLDER}/{name}": text for name, text in files.items()},
            environment={"PYTHONPATH": FOLDER},
        )
        cluster.load(target)
        target.unlink()
    return reference


@contextmanager
def secret(kube, namespace, name, key) -> Iterator[None]:
    """Make a Secret with an API key; at the end it is gone."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    kube.request("POST", path, {"metadata": {"name": name}, "stringData": {"api-key": key}})
    try:
        yield
    finally:
        kube.request("DELETE", f"{path}/{name}")


@pytest.fixture
def release_with_plugin(release, settings, image) -> Iterator[None]:
    """The session's release, whose runs have the package; at the end it is as it was."""
    try:
        release.install(merged(settings, {"runs": {"image": image}}))
        yield
    finally:
        release.install(settings)


def tables_that_mention(store, text):
    """Return the tables with a row that holds the text in any of its columns."""
    mentions = "SELECT count(*) FROM \"{}\" t WHERE strpos(t::text, '{}') > 0"
    names = [row["table_name"] for row in store.rows(TABLES)]
    return [name for name in names if store.value(mentions.format(name, text))]


def log_of(kube, pod):
    """Return what a pod's container has written."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"
    answer = kube.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_plugin_loads_with_the_key_of_its_secret_and_the_key_shows_nowhere(
    release_with_plugin, sources, market, store, kube, home
):
    market.control.key(CANARY, "paprika")
    options = {"url": f"{market.paprika_pro_url}/tickers"}
    with secret(kube, home, "keyed", CANARY):
        sources.create(
            "keyed", type=SOURCE_TYPE, options=options, apiKeySecretRef={"name": "keyed"}
        )
        eventually(
            lambda: sources.condition("Ready", "keyed") == ("True", "Fresh"),
            seconds=120,
            what="the plugin's source has loaded",
        )
        (pod,) = of_sources(sources.pods())
        log = log_of(kube, pod)
        events = kube.get(f"/api/v1/namespaces/{home}/events")
        shown = json.dumps(
            [sources.get("keyed"), sources.cronjobs(), sources.jobs(), sources.pods(), events]
        )

    (run,) = store.rows("SELECT status, loaded FROM etl_runs")
    assert run["status"] == "success"
    assert run["loaded"] == store.value("SELECT count(*) FROM unified") == 100
    assert [entry["headers"]["authorization"] for entry in market.log] == [CANARY]
    assert LOGGED in log
    assert CANARY not in log
    assert "keyed" in shown
    assert CANARY not in shown
    assert tables_that_mention(store, "keyed"), "the search finds what is there"
    assert tables_that_mention(store, CANARY) == []


def test_a_run_whose_secret_is_not_there_does_not_start_and_the_source_says_which_it_is(
    release, sources, store
):
    sources.create("keyed", type=SOURCE_TYPE, apiKeySecretRef={"name": "absent"})

    blocked = ("True", "CreateContainerConfigError")
    eventually(lambda: sources.condition("RunBlocked", "keyed") == blocked, seconds=60)

    assert 'secret "absent" not found' in sources.message("RunBlocked", "keyed")
    assert sources.condition("Ready", "keyed")[0] == "False"
    assert store.rows("SELECT 1 FROM etl_runs") == []
