"""A fresh control plane for each round: a real API server with real controllers, without nodes."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf
from hack.bench import crowd
from hack.bench.process_figures import cpu_seconds
from hack.cluster import control_plane
from hack.cluster.kubernetes import API_SERVER, CONTROLLERS, ETCD

from cryptosource_operator.api_client import CONFLICT, ApiClient, ApiError
from cryptosource_operator.metrics import Metrics

CHECKOUT = Path(__file__).parents[2]
PAUSE_SECONDS = 0.1
RUNNING = ("cronjob", "job", "garbagecollector")
SERVICE_ACCOUNT = "system:serviceaccount:cryptosource:operator"
"""Who the operator is: the API server gives a service account the share of one, and no more."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A control plane with the CRD in it."""

    control: control_plane.ControlPlane
    audit_log: Path
    """What the operator's user has asked for, one line for each finished request."""
    operator_kubeconfig: Path

    def cpu(self) -> dict[str, float]:
        """Return the processor time of each component in seconds."""
        return {
            name: cpu_seconds(self.control.pid(name)) for name in (ETCD, API_SERVER, CONTROLLERS)
        }


@contextmanager
def fresh_plane() -> Iterator[Plane]:
    """Start a control plane and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="cryptosource-bench-") as folder:
        log, policy = Path(folder) / "audit.log", Path(folder) / "policy.json"
        policy.write_text(json.dumps(_audit_policy()), "utf-8")
        flags = {"audit-policy-file": policy, "audit-log-path": log, "audit-log-mode": "batch"}
        with control_plane.running(controllers=RUNNING, api_server_flags=flags) as plane:
            yield Plane(
                control=plane,
                audit_log=log,
                operator_kubeconfig=plane.kubeconfig_for(
                    SERVICE_ACCOUNT,
                    groups=["system:serviceaccounts", "system:serviceaccounts:cryptosource"],
                ),
            )


def _audit_policy() -> dict[str, object]:
    """Return a policy that costs next to nothing: of the operator's requests, who, when and what."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata", "users": [SERVICE_ACCOUNT]}, {"level": "None"}],
    }


def credentials(kubeconfig: Path) -> kopf.ConnectionInfo:
    """Return what a kubeconfig of a control plane says."""
    document = json.loads(kubeconfig.read_text("utf-8"))
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    return kopf.ConnectionInfo(
        server=cluster["server"],
        ca_data=base64.b64decode(cluster["certificate-authority-data"]),
        certificate_data=base64.b64decode(user["client-certificate-data"]),
        private_key_data=base64.b64decode(user["client-key-data"]),
    )


@asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    """Yield a client of the kind that the operator writes with."""
    found = ApiClient(lambda: credentials(kubeconfig), Metrics())
    try:
        yield found
    finally:
        await found.close()


async def patiently(call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Return what a call returns, made again while the API server says that it has too much to do.

    On a busy machine it gives up checking a quota after ten seconds.
    """
    while True:
        try:
            return await call()
        except ApiError as error:
            if not error.transient or error.code == CONFLICT:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def furnish(plane: Plane, api: ApiClient) -> None:
    """Install the CRD, the namespaces and the operator's rights; wait until sources are served."""
    definition = str(CHECKOUT / "crds" / "cryptosources.yaml")
    await asyncio.to_thread(plane.control.kubectl, "apply", "--server-side", "-f", definition)
    for name in crowd.namespaces():
        await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": "cryptosource"}
    binding = {"metadata": {"name": "operator"}, "roleRef": role, "subjects": [subject]}
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    await api.create(bindings, binding)
    while not await _served(api):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)


async def _served(api: ApiClient) -> bool:
    try:
        return await api.get(crowd.SOURCES) is not None
    except ApiError as error:
        if error.transient:  # the storage of a new kind is being made
            return False
        raise
