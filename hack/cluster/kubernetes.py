"""The arguments of etcd and of Kubernetes' control plane: pure functions, for both modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.components import Component
from hack.cluster.pki import KeyPair

ETCD, API_SERVER, CONTROLLERS = "etcd", "kube-apiserver", "kube-controller-manager"

AUDIT_POLICY, AUDIT_LOG = "audit-policy.json", "audit.log"


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the control plane listens."""

    host: str
    api_port: int
    etcd_port: int
    """On loopback, like the two after it."""
    peer_port: int
    controllers_port: int
    service_range: str

    @property
    def url(self) -> str:
        """Return the API server's URL."""
        return f"https://{self.host}:{self.api_port}"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The files that the control plane is given."""

    authority: KeyPair
    server: KeyPair
    to_kubelets: KeyPair
    service_accounts: Path
    controllers: Path
    """kubeconfig."""


def etcd(program: Path, endpoints: Endpoints, data: Path) -> Component:
    """Return etcd, on loopback; it does not wait for the disk, as nothing here is for keeps."""
    client = f"http://127.0.0.1:{endpoints.etcd_port}"
    peer = f"http://127.0.0.1:{endpoints.peer_port}"
    flags = {
        "data-dir": data,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return Component(name=ETCD, argv=[str(program), *as_flags(flags)])


def api_server(
    program: Path,
    endpoints: Endpoints,
    files: Credentials,
    *,
    extra: Mapping[str, object],
) -> Component:
    """Return the API server, with RBAC and TLS."""
    flags = {
        "etcd-servers": f"http://127.0.0.1:{endpoints.etcd_port}",
        "bind-address": endpoints.host,
        "secure-port": endpoints.api_port,
        "advertise-address": endpoints.host,
        "service-cluster-ip-range": endpoints.service_range,
        "client-ca-file": files.authority.certificate,
        "tls-cert-file": files.server.certificate,
        "tls-private-key-file": files.server.key,
        "kubelet-client-certificate": files.to_kubelets.certificate,
        "kubelet-client-key": files.to_kubelets.key,
        "service-account-key-file": files.service_accounts,
        "service-account-signing-key-file": files.service_accounts,
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
    }
    argv = [str(program), *as_flags(flags | dict(extra))]
    return Component(name=API_SERVER, argv=argv, needs=f"127.0.0.1:{endpoints.etcd_port}")


def controller_manager(
    program: Path,
    endpoints: Endpoints,
    files: Credentials,
    *,
    controllers: Sequence[str],
    extra: Mapping[str, object],
) -> Component:
    """Return the controller manager."""
    flags = {
        "kubeconfig": files.controllers,
        "controllers": ",".join(controllers),
        "bind-address": "127.0.0.1",
        "secure-port": endpoints.controllers_port,
        "leader-elect": "false",
        "use-service-account-credentials": "true",
        "service-account-private-key-file": files.service_accounts,
        "root-ca-file": files.authority.certificate,
    }
    argv = [str(program), *as_flags(flags | dict(extra))]
    return Component(name=CONTROLLERS, argv=argv, needs=f"{endpoints.host}:{endpoints.api_port}")


def as_flags(values: Mapping[str, object]) -> list[str]:
    """Return flags in their one-word form."""
    return [f"--{name}={value}" for name, value in values.items()]


def audit_policy(level: str) -> dict[str, object]:
    """Return a policy that records every finished request.

    Args:
        level: "Metadata" for who did what, "RequestResponse" for both bodies too.
    """
    rule = {"level": level, "omitStages": ["RequestReceived", "ResponseStarted"]}
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [rule]}


def audit_flags(folder: Path) -> dict[str, object]:
    """Return the API server's flags for the policy and the log in a folder."""
    return {
        "audit-policy-file": folder / AUDIT_POLICY,
        "audit-log-path": folder / AUDIT_LOG,
        "audit-log-mode": "blocking",  # a request that was answered is in the log
    }
