"""Configuration files of containerd, CNI, kubelet, kube-proxy and DNS: pure functions.

Each unusual setting says why it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hack.cluster.node.layout import BRIDGE, CLUSTER_DOMAIN, INSIDE, NAME, PAUSE_IMAGE, Network

CNI_PROGRAMS = "/usr/lib/cni"
"""Where Debian's containernetworking-plugins puts them."""
CNI_FOLDER = INSIDE / "cni"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"


def containerd(*, snapshotter: str, runc: str) -> str:
    """Return containerd's config.toml, version 3."""
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "{snapshotter}"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
# Without it runc cannot write oom_score_adj where the machine forbids lowering it.
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{CNI_PROGRAMS}"]
conf_dir = "{CNI_FOLDER}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"""


def cni(network: Network) -> dict[str, Any]:
    """Return the pods' network: a bridge with addresses from a range, and host ports."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": network.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": NAME, "plugins": [bridge, ports]}


def kubelet(network: Network, *, authority: Path, server: tuple[Path, Path]) -> dict[str, Any]:
    """Return the KubeletConfiguration.

    Args:
        network: the addresses.
        authority: certificate that clients' are signed by.
        server: the kubelet's own certificate and key.
    """
    certificate, key = server
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [network.node],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        # A developer's disk is often nearly full; the defaults would evict every pod.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "healthzBindAddress": "127.0.0.1",
        "maxPods": 200,
        "resolvConf": str(INSIDE / "resolv.conf"),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "shutdownGracePeriod": "0s",
    }


def proxy(network: Network, *, kubeconfig: Path) -> dict[str, Any]:
    """Return the KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": network.node,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": network.pods,
        "hostnameOverride": NAME,
        "mode": "iptables",
        # Answers of a pod to its neighbour on the bridge come back through the node's NAT then,
        # whether or not the kernel shows bridged packets to iptables.
        "iptables": {"masqueradeAll": True},
        # Limits of connection tracking belong to the whole machine: they stay as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def corefile(network: Network, *, kubeconfig: Path, upstreams: Sequence[str]) -> str:
    """Return CoreDNS's configuration; with no upstream, only the cluster's names resolve."""
    onward = f"    forward . {' '.join(upstreams)}\n" if upstreams else ""
    return f""".:53 {{
    bind {network.node}
    errors
    health 127.0.0.1:8081
    ready 127.0.0.1:8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
{onward}    cache 5
}}
"""


def reachable_nameservers(resolv_conf: str) -> list[str]:
    """Return a resolv.conf's name servers without those on loopback, which pods cannot reach."""
    lines = (line.split() for line in resolv_conf.splitlines())
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [server for server in servers if not server.startswith(("127.", "::1"))]
