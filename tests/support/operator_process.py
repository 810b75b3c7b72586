"""The operator as a process of its own, with no more rights than it is documented to need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import URL

from support.kube import Kube
from support.waits import eventually

USER = "cryptosource-operator"

RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["cryptosource.io"],
        "resources": ["cryptosources"],
        "verbs": ["list", "watch"],
    },
    {"apiGroups": ["cryptosource.io"], "resources": ["cryptosources/status"], "verbs": ["patch"]},
    {
        "apiGroups": ["batch"],
        "resources": ["cronjobs"],
        "verbs": ["get", "list", "watch", "create", "patch"],
    },
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "watch", "create"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]
"""Everything the operator may do, and every one of it is used by these tests."""


def grant(kube: Kube) -> None:
    """Give the operator's user its rights, in every namespace."""
    name = {"name": USER}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER}
    base = "/apis/rbac.authorization.k8s.io/v1"
    kube.request("POST", f"{base}/clusterroles", {"metadata": name, "rules": RULES})
    binding = {
        "metadata": name,
        "roleRef": role,
        "subjects": [{"apiGroup": role["apiGroup"], "kind": "User", "name": USER}],
    }
    kube.request("POST", f"{base}/clusterrolebindings", binding)


class OperatorProcess:
    """A running operator."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    @property
    def logs(self) -> str:
        """Return what it has logged."""
        return self.log.read_text("utf-8")

    @property
    def address(self) -> str:
        """Return where its probes are; waits until it says so."""

        def found() -> str:
            lines = [line for line in self.logs.splitlines() if '"port": ' in line]
            return lines[0].rpartition('"port": ')[2].split("}")[0].split(",")[0] if lines else ""

        return f"http://127.0.0.1:{eventually(found, what='the port is logged')}"

    def ready(self) -> bool:
        """Return whether it has read the first lists."""
        return self.get("/readyz").status_code == 200

    def get(self, path: str) -> httpx.Response:
        """Ask its own HTTP server."""
        return httpx.get(self.address + path, timeout=5)

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = self.get("/metrics").text.splitlines()
        found = [line for line in lines if line.partition(" ")[0].partition("{")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def kill(self) -> None:
        """End it as a lost node would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def operating(
    kubeconfig: Path,
    folder: Path,
    *,
    namespaces: list[str] | None = None,
    database: URL | None = None,
    wait: bool = True,
    **variables: str,
) -> Iterator[OperatorProcess]:
    """Yield a running operator, and end it by all means.

    Args:
        kubeconfig: who it is.
        folder: for its log.
        namespaces: which it serves; all by default.
        database: its Postgres; none by default.
        wait: until it is ready.
        variables: more of its environment.
    """
    environment = {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}
    } | {
        "KUBECONFIG": str(kubeconfig),
        "CRYPTOSOURCE_ETL_IMAGE": "cryptosource-etl:test",
        "CRYPTOSOURCE_NAMESPACES": ",".join(namespaces or []),
        "CRYPTOSOURCE_OPERATOR_HOST": "127.0.0.1",
        "CRYPTOSOURCE_OPERATOR_PORT": "0",
        "CRYPTOSOURCE_POD_CHECK_SECONDS": "1",
        **variables,
    }
    if database is not None:
        environment["DATABASE_URL"] = database.render_as_string(hide_password=False)
    log = folder / f"operator-{len(list(folder.iterdir()))}.jsonl"
    command = [str(Path(sys.executable).parent / "cryptosource"), "operator"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    operator = OperatorProcess(process, log)
    try:
        if wait:
            eventually(operator.ready, what="the operator is ready")
        yield operator
    finally:
        if process.poll() is None:
            operator.kill()
