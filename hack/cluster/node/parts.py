"""The components of the single-node cluster, and everything they read, in one folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import control_plane, kubeconfigs, kubernetes
from hack.cluster.components import Component, write_components
from hack.cluster.errors import ClusterError
from hack.cluster.kubernetes import API_SERVER, CONTROLLERS, Credentials, Endpoints, as_flags
from hack.cluster.node import bootstrap, files
from hack.cluster.node.layout import CLUSTER_DOMAIN, INSIDE, NAME, Network
from hack.cluster.pki import Authority, KeyPair

MODULES = ("etcd", "kubernetes", "containerd", "coredns")
PROGRAMS_FOLDER = INSIDE / "bin"
RESOLV_CONFS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
"""The first that exists: systemd-resolved's other file names a server on loopback."""
USERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kube-proxy": ("system:kube-proxy", ()),
    "kubelet": (f"system:node:{NAME}", ("system:nodes",)),
    "coredns": (bootstrap.DNS_USER, ()),
}
"""Component -> user and groups of its client certificate."""


def endpoints(network: Network) -> Endpoints:
    """Return where the control plane listens: nothing else is in its network namespace."""
    return Endpoints(
        host=network.node,
        api_port=6443,
        etcd_port=2379,
        peer_port=2380,
        controllers_port=10257,
        service_range=network.services,
    )


def prepare(folder: Path, network: Network, *, audit: bool) -> None:
    """Write components.json and all that it refers to.

    Args:
        folder: the instance's folder on the machine, which is INSIDE for the components.
        network: the addresses.
        audit: have the API server log who did what.
    """
    where = endpoints(network)
    credentials = control_plane.make_credentials(folder, where)
    authority = Authority(folder / "pki")
    for name, (user, groups) in USERS.items():
        pair = authority.client(name, user=user, groups=groups)
        _kubeconfig(folder, where, name, pair)
    server = authority.server("kubelet-server", user=f"system:node:{NAME}", hosts=[network.node])
    _write_files(folder, network, server)
    write_components(
        folder, Assembly(network, _inside(credentials, folder), audit=audit).components()
    )


def _write_files(folder: Path, network: Network, kubelet_server: KeyPair) -> None:
    resolv = next(path for path in RESOLV_CONFS if path.exists()).read_text("utf-8")
    pki = INSIDE / "pki"
    server = (pki / kubelet_server.certificate.name, pki / kubelet_server.key.name)
    kubelet = files.kubelet(network, authority=pki / "ca.crt", server=server)
    proxy = files.proxy(network, kubeconfig=INSIDE / "kube-proxy.kubeconfig")
    upstreams = files.reachable_nameservers(resolv)
    contents = {
        "resolv.conf": "".join(f"nameserver {server}\n" for server in upstreams),
        "containerd.toml": files.containerd(snapshotter=_snapshotter(folder), runc=_runc()),
        "cni/10-bridge.conflist": json.dumps(files.cni(network), indent=1),
        "kubelet.json": json.dumps(kubelet, indent=1),
        "kube-proxy.json": json.dumps(proxy, indent=1),
        "Corefile": files.corefile(
            network, kubeconfig=INSIDE / "coredns.kubeconfig", upstreams=upstreams
        ),
        kubernetes.AUDIT_POLICY: json.dumps(kubernetes.audit_policy("Metadata")),
        "bootstrap.json": json.dumps(bootstrap.objects()),
    }
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


@dataclass(frozen=True)
class Assembly:
    """Puts the command lines together."""

    network: Network
    credentials: Credentials
    audit: bool = False

    def components(self) -> list[Component]:
        """Return all components, in the order of their start."""
        return [*self._control_plane(), *self._node()]

    def _control_plane(self) -> list[Component]:
        where = endpoints(self.network)
        audit = kubernetes.audit_flags(INSIDE) if self.audit else {}
        served = audit | {
            "kubelet-certificate-authority": INSIDE / "pki" / "ca.crt",
            "kubelet-preferred-address-types": "InternalIP",
        }
        scheduling = {
            "kubeconfig": INSIDE / "kube-scheduler.kubeconfig",
            "bind-address": "127.0.0.1",
            "leader-elect": "false",
        }
        volumes = {"flex-volume-plugin-dir": "/var/lib/kubelet/volume-plugins"}
        return [
            kubernetes.etcd(_program("etcd", "etcd"), where, Path("/var/lib/etcd")),
            kubernetes.api_server(
                _program("kubernetes", API_SERVER), where, self.credentials, extra=served
            ),
            kubernetes.controller_manager(
                _program("kubernetes", CONTROLLERS),
                where,
                self.credentials,
                controllers=control_plane.ALL_CONTROLLERS,
                extra=volumes,
            ),
            self._of_api("kubernetes", "kube-scheduler", as_flags(scheduling)),
        ]

    def _node(self) -> list[Component]:
        kubelet = {
            "config": INSIDE / "kubelet.json",
            "kubeconfig": INSIDE / "kubelet.kubeconfig",
            "hostname-override": NAME,
            "node-ip": self.network.node,
        }
        proxy = {"config": INSIDE / "kube-proxy.json"}
        containerd = [str(_program("containerd", "containerd"))]
        return [
            Component(
                name="containerd", argv=[*containerd, "--config", str(INSIDE / "containerd.toml")]
            ),
            Component(
                name="kubelet",
                argv=[str(_program("kubernetes", "kubelet")), *as_flags(kubelet)],
                needs=files.CONTAINERD_SOCKET,
            ),
            self._of_api("kubernetes", "kube-proxy", as_flags(proxy)),
            self._of_api("coredns", "coredns", ["-conf", str(INSIDE / "Corefile")]),
        ]

    def _of_api(self, module: str, name: str, arguments: list[str]) -> Component:
        where = endpoints(self.network)
        argv = [str(_program(module, name)), *arguments]
        return Component(name=name, argv=argv, needs=f"{where.host}:{where.api_port}")


def _program(module: str, name: str) -> Path:
    return PROGRAMS_FOLDER / module / name


def _kubeconfig(folder: Path, where: Endpoints, name: str, client: KeyPair) -> None:
    kubeconfigs.write(
        folder / f"{name}.kubeconfig",
        server=where.url,
        authority=folder / "pki" / "ca.crt",
        client=client,
        name=f"{NAME}.{CLUSTER_DOMAIN}",
    )


def _inside(credentials: Credentials, folder: Path) -> Credentials:
    """Return the same files as the components see them."""

    def moved(path: Path) -> Path:
        return INSIDE / path.relative_to(folder)

    def pair(one: KeyPair) -> KeyPair:
        return KeyPair(moved(one.certificate), moved(one.key))

    return Credentials(
        authority=pair(credentials.authority),
        server=pair(credentials.server),
        to_kubelets=pair(credentials.to_kubelets),
        service_accounts=moved(credentials.service_accounts),
        controllers=moved(credentials.controllers),
    )


def _runc() -> str:
    path = shutil.which("runc")
    if path is None:
        raise ClusterError("runc is not on PATH; on Debian: apt-get install runc")
    return path


def _snapshotter(folder: Path) -> str:
    """Return the snapshotter for a folder's file system: overlay does not lie on overlay."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, mount_point, kind, *_ = line.split()
        kinds[Path(mount_point)] = kind
    holder = next(parent for parent in (folder, *folder.parents) if parent in kinds)
    return "native" if kinds[holder] == "overlay" else "overlayfs"
