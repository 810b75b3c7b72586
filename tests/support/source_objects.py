"""CryptoSources and their children on an API server, by short names."""

from __future__ import annotations

from typing import Any

from cryptosource_operator.names import SOURCE_LABEL
from support.kube import BATCH, SOURCES, Kube
from support.sources import make_manifest
from support.waits import eventually

RUN_REQUEST = "cryptosource.io/run-requested-at"
NEVER = "0 0 1 1 *"
"""A schedule that no test lives to see."""


class Sources:
    """The CryptoSources of one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self._path = f"{SOURCES}/namespaces/{namespace}/cryptosources"
        self._batch = f"{BATCH}/namespaces/{namespace}"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"

    def create(self, name: str = "a-source", **spec: Any) -> dict[str, Any]:
        """Make a source that is due at New Year."""
        return self.kube.request(
            "POST", self._path, make_manifest(name=name, **({"schedule": NEVER} | spec))
        )

    def get(self, name: str = "a-source") -> dict[str, Any] | None:
        """Return a source."""
        return self.kube.get(f"{self._path}/{name}")

    def edit(self, name: str = "a-source", **spec: Any) -> None:
        """Change fields of a spec."""
        self.kube.merge(f"{self._path}/{name}", {"spec": spec})

    def ask(self, token: str, name: str = "a-source") -> None:
        """Ask for a run by annotation."""
        patch = {"metadata": {"annotations": {RUN_REQUEST: token}}}
        self.kube.merge(f"{self._path}/{name}", patch)

    def delete(self, name: str = "a-source") -> None:
        """Delete a source."""
        self.kube.request("DELETE", f"{self._path}/{name}")

    def clear(self, *, seconds: float = 120) -> None:
        """Delete all sources and wait until Jobs and pods of them are gone."""
        for source in (self.kube.get(self._path) or {"items": []})["items"]:
            self.delete(source["metadata"]["name"])
        eventually(lambda: not self._children(), seconds=seconds, what="Jobs and pods are gone")

    def _children(self) -> list[dict[str, Any]]:
        paths = (f"{self._batch}/cronjobs", f"{self._batch}/jobs", self._pods)
        return [
            one for path in paths for one in self.kube.items(f"{path}?labelSelector={SOURCE_LABEL}")
        ]

    def status(self, name: str = "a-source") -> dict[str, Any]:
        """Return a status."""
        found = self.get(name)
        return {} if found is None else found.get("status", {})

    def condition(self, kind: str, name: str = "a-source") -> tuple[str, str]:
        """Return status and reason of a condition; ("", "") when it is absent."""
        for found in self.status(name).get("conditions", ()):
            if found["type"] == kind:
                return found["status"], found["reason"]
        return "", ""

    def message(self, kind: str, name: str = "a-source") -> str:
        """Return the message of a condition."""
        conditions = self.status(name).get("conditions", ())
        return next((each["message"] for each in conditions if each["type"] == kind), "")

    def cronjob(self, name: str = "a-source") -> dict[str, Any] | None:
        """Return a CronJob."""
        return self.kube.get(f"{self._batch}/cronjobs/{name}")

    def cronjobs(self) -> list[dict[str, Any]]:
        """Return all CronJobs."""
        return self.kube.items(f"{self._batch}/cronjobs")

    def jobs(self) -> list[dict[str, Any]]:
        """Return all Jobs."""
        return self.kube.items(f"{self._batch}/jobs")

    def pods(self) -> list[dict[str, Any]]:
        """Return all pods."""
        return self.kube.items(self._pods)

    def events(self) -> list[tuple[str, str]]:
        """Return type and reason of the events about sources."""
        events = self.kube.items(f"/api/v1/namespaces/{self.namespace}/events")
        about = [each for each in events if each["involvedObject"]["kind"] == "CryptoSource"]
        return sorted((each["type"], each["reason"]) for each in about)

    def edit_cronjob(self, name: str = "a-source", **spec: Any) -> None:
        """Change a CronJob by hand."""
        self.kube.merge(f"{self._batch}/cronjobs/{name}", {"spec": spec})

    def delete_cronjob(self, name: str = "a-source") -> None:
        """Delete a CronJob by hand."""
        self.kube.request("DELETE", f"{self._batch}/cronjobs/{name}")

    def tell_pod(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        """Say how a pod is, as a kubelet would."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        self.kube.merge(path, {"status": status})


def of_sources(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the children of sources among CronJobs, Jobs or pods, ordered by name."""
    found = [one for one in things if SOURCE_LABEL in one["metadata"].get("labels", {})]
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))
