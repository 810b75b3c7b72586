"""Installations beside the session's own: with Helm 3, in a parent chart, and such as cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.built_programs import built_program
from support.chart import CHART, Helm, Refused
from support.leftovers import crd, look
from support.release import Release, merged, restricted_namespace
from support.source_objects import Sources
from support.waits import eventually

OWN_NAMESPACE = {"operator": {"namespaces": ["{{ .Release.Namespace }}"]}}
NO_VOLUME = {"database": {"development": {"persistence": {"enabled": False}}}}


@pytest.fixture
def space(kube) -> Iterator[str]:
    """A namespace of the test's own, at the restricted level."""
    with restricted_namespace(kube, "apart") as name:
        yield name


@pytest.fixture
def values(images, kube) -> dict[str, Any]:
    """For a release beside others: its own namespace alone; the CRD where there is none."""
    absent = crd(kube) is None
    return merged(images, OWN_NAMESPACE, {"crds": {"enabled": absent, "keep": False}})


def test_helm_3_installs_upgrades_tests_and_leaves_nothing(
    cluster, kube, space, values, tmp_path_factory
):
    helm3 = Helm(program=built_program("helm3", "helm"), home=tmp_path_factory.mktemp("helm3"))
    release = Release(helm=helm3, kubeconfig=cluster.kubeconfig, kube=kube, namespace=space)
    values = merged(values, NO_VOLUME)
    before = look(kube, space)

    release.install(values)
    release.install(merged(values, {"api": {"replicas": 2}}))
    assert len(release.pods("api")) == 2
    assert "Succeeded" in release.run("test", release.name, "--timeout", "3m")
    release.uninstall()

    eventually(lambda: look(kube, space) == before, seconds=60, what="nothing is left")


def test_a_parent_chart_and_cloudnativepgs_secret_are_enough(
    cluster, kube, helm, space, values, release, tmp_path
):
    """The role of runs and of the API may read and write; the schema is another role's."""
    with roles(release.database) as urls:
        for name, url in urls.items():
            secret = {"metadata": {"name": f"market-{name}"}, "stringData": cloudnativepg(url)}
            kube.request("POST", f"/api/v1/namespaces/{space}/secrets", secret)
        database = {
            "existingSecret": "market-app",
            "existingSecretKeys": {"uri": "fqdn-uri"},
            "owner": {
                "existingSecret": "market-owner",
                "existingSecretKeys": {"uri": "fqdn-uri"},
            },
        }
        child = Release(
            helm=helm,
            kubeconfig=cluster.kubeconfig,
            kube=kube,
            namespace=space,
            chart=parent(tmp_path),
        )
        ours = {key: value for key, value in values.items() if key != "database"}
        child.install({"cryptosource": merged(ours, {"database": database})})
        try:
            sources = Sources(kube, space)
            coins = {"metadata": {"name": "coins"}, "data": {"coins.csv": FILE}}
            kube.request("POST", f"/api/v1/namespaces/{space}/configmaps", coins)
            sources.create("coins", csv={"configMap": {"name": "coins", "key": "coins.csv"}})
            eventually(
                lambda: sources.condition("Ready", "coins")[0] == "True",
                seconds=90,
                what="it is loaded",
            )
            assert [one["id"] for one in child.api.get("/data")["data"]] == ["BTC"]
            sources.clear()
        finally:
            child.uninstall()


FILE = "symbol,name,price_usd,created_at\nBTC,Bitcoin,16973.8,2018-01-06T09:24:21Z\n"


@contextmanager
def roles(database) -> Iterator[dict[str, str]]:
    """Yield the URLs of a database's owner and of a role that reads and writes, as docs/install.md."""
    host = f"{database.pod.removesuffix('-0')}.{database.namespace}.svc"
    statements = [
        "CREATE ROLE market_owner LOGIN PASSWORD 'o'",
        "CREATE ROLE market_app LOGIN PASSWORD 'a'",
        "CREATE DATABASE market OWNER market_owner",
    ]
    rights = (
        "SET ROLE market_owner; "
        "GRANT USAGE ON SCHEMA public TO market_app; "
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO market_app; "
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
        "GRANT USAGE, SELECT ON SEQUENCES TO market_app"
    )
    for statement in statements:
        database.execute(statement)
    database.execute(f"\\connect market\n{rights}")
    try:
        yield {
            "owner": f"postgresql://market_owner:o@{host}:5432/market",
            "app": f"postgresql://market_app:a@{host}:5432/market",
        }
    finally:
        database.execute("DROP DATABASE market WITH (FORCE)")
        database.execute("DROP ROLE market_owner, market_app")


def cloudnativepg(url: str) -> dict[str, str]:
    """Return the keys of a Secret as that operator writes it; of `uri` without the namespace."""
    rest, _, host = url.partition("@")
    user, _, password = rest.removeprefix("postgresql://").partition(":")
    short = host.partition(".")[0]
    return {
        "username": user,
        "password": password,
        "host": short,
        "port": "5432",
        "dbname": "market",
        "uri": f"{rest}@{short}:5432/market",
        "fqdn-uri": url,
    }


def parent(folder: Path) -> Path:
    """Return a chart that has ours as a dependency."""
    chart = folder / "parent"
    (chart / "charts").mkdir(parents=True)
    (chart / "charts" / "cryptosource").symlink_to(CHART)
    own = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    dependency = {"name": own["name"], "version": own["version"]}
    document = {"apiVersion": "v2", "name": "parent", "version": "1.0.0"}
    text = yaml.safe_dump(document | {"dependencies": [dependency]})
    (chart / "Chart.yaml").write_text(text, "utf-8")
    return chart


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": {"tag": "no-such-tag"}}, "-api"),
        ({"database": {"existingSecret": "nowhere"}, "api": {"enabled": False}}, "-migrate-"),
    ],
    ids=["an image that is not there", "a database that does not answer"],
)
def test_an_installation_that_cannot_work_is_not_called_ready(
    cluster, kube, helm, space, values, change, told
):
    nowhere = {"uri": "postgresql://a:b@127.0.0.1:1/market"}
    secret = {"metadata": {"name": "nowhere"}, "stringData": nowhere}
    kube.request("POST", f"/api/v1/namespaces/{space}/secrets", secret)
    release = Release(helm=helm, kubeconfig=cluster.kubeconfig, kube=kube, namespace=space)
    waits = {"operator": {"schemaWaitSeconds": 0}}

    with pytest.raises(Refused) as refused:
        release.install(merged(values, NO_VOLUME, waits, change), timeout="15s")

    assert told in str(refused.value)
    release.uninstall()
