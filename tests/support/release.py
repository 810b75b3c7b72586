"""A release of the chart on a cluster: install, upgrade, test, uninstall, and reach what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.chart import CHART, Helm
from support.kube import Kube, Refused
from support.services import HttpService, PodDatabase
from support.waits import eventually

Values = Mapping[str, Any]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
GONE_SECONDS = 120
READY = "4m"
"""For everything of a release to be ready; Helm says what was not."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release, installed or not."""

    helm: Helm
    kubeconfig: Path
    kube: Kube
    namespace: str
    name: str = "prices"
    chart: Path = CHART

    def install(self, values: Values, *options: str, timeout: str = READY) -> str:
        """Install or upgrade it, and wait until it is ready.

        Raises:
            support.chart.Refused: it did not get ready in time.
        """
        file = self.helm.home / f"{self.namespace}-{self.name}.json"
        file.write_text(json.dumps(values), "utf-8")
        waiting = ("--wait", "--wait-for-jobs", "--timeout", timeout)
        return self.run(
            *("upgrade", "--install", self.name, str(self.chart), "--values", str(file)),
            *(*waiting, *options),
        )

    def uninstall(self) -> None:
        """Take it away and wait until its objects are gone; it may not be there."""
        self.run("uninstall", self.name, "--ignore-not-found", "--wait", "--timeout", READY)

    def run(self, *arguments: str) -> str:
        """Run Helm on the release's namespace."""
        where = ("--namespace", self.namespace, "--kubeconfig", str(self.kubeconfig))
        return self.helm.run(*arguments, *where)

    @property
    def fullname(self) -> str:
        """Return the name that the chart's objects begin with."""
        return self.name if "cryptosource" in self.name else f"{self.name}-cryptosource"

    @property
    def api(self) -> HttpService:
        """Return its API."""
        return HttpService(
            kube=self.kube, namespace=self.namespace, name=f"{self.fullname}-api", port=80
        )

    @property
    def database(self) -> PodDatabase:
        """Return its development Postgres."""
        return PodDatabase(
            kubeconfig=self.kubeconfig,
            namespace=self.namespace,
            pod=f"{self.fullname}-database-0",
        )

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a component, such as `api` or `operator`."""
        label = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return self.kube.items(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={label}")


@contextmanager
def restricted_namespace(kube: Kube, name: str) -> Iterator[str]:
    """Yield a namespace that refuses every pod that is not restricted; at the end it is gone."""
    metadata = {"generateName": f"{name}-", "labels": RESTRICTED}
    made: str = kube.request("POST", "/api/v1/namespaces", {"metadata": metadata})["metadata"][
        "name"
    ]
    path = f"/api/v1/namespaces/{made}"
    try:
        yield made
    finally:
        kube.request("DELETE", path)
        eventually(
            lambda: kube.get(path) is None, seconds=GONE_SECONDS, what=f"namespace {made} is gone"
        )


def merged(values: Values, *others: Values) -> dict[str, Any]:
    """Return values with others over them, as Helm merges files."""
    result = dict(values)
    for other in others:
        for key, value in other.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], value) if both else value
    return result


def served(kube: Kube) -> list[str]:
    """Return the releases whose operators serve every namespace of the cluster."""
    selector = "app.kubernetes.io/part-of=cryptosource,app.kubernetes.io/component=operator"
    try:
        found = kube.items(f"/apis/apps/v1/deployments?labelSelector={selector}")
    except Refused:
        return []
    return [
        f"{one['metadata']['labels']['app.kubernetes.io/instance']} "
        f"in namespace {one['metadata']['namespace']}"
        for one in found
        if not _restricted_to_namespaces(one)
    ]


def _restricted_to_namespaces(deployment: Mapping[str, Any]) -> bool:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return any(one["name"] == "CRYPTOSOURCE_NAMESPACES" for one in container["env"])
