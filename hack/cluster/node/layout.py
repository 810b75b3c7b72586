"""Names, addresses and paths of the single-node cluster."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import places
from hack.cluster.errors import ClusterError

NAME = "cryptosource"
"""Of the node, the control group and the context."""
HOME = Path("/var/lib/cryptosource-cluster")
"""On the machine: everything the cluster writes. One cluster for a machine."""
RUN, VAR = "run", "var"
"""Folders of HOME that the cluster's processes see as /run and /var, so that everything that
Kubernetes and containerd keep under fixed paths lands in HOME."""
INSIDE = Path("/run/cryptosource")
"""The instance's folder, as the cluster's processes see it."""
LINK, PEER = "csrc0", "node0"
"""Two ends of the network link: the machine's and the node's."""
BRIDGE = "cni0"
"""In the node's network namespace."""
CLUSTER_DOMAIN = "cluster.local"
NETWORK_VARIABLE = "CRYPTOSOURCE_CLUSTER_NETWORK"
DEFAULT_NETWORK = "10.199.0.0/16"
PREFIX_BITS = 16
PAUSE_IMAGE = "localhost/pause:1"
RULE_TAG = "cryptosource-cluster"
"""Comment of our firewall rules on the machine."""


@dataclass(frozen=True)
class Network:
    """The cluster's addresses, cut from one /16."""

    whole: ipaddress.IPv4Network

    @classmethod
    def selected(cls) -> Network:
        """Return the network that CRYPTOSOURCE_CLUSTER_NETWORK names, or the default.

        Raises:
            ClusterError: it is not a private IPv4 /16.
        """
        text = places.variable(NETWORK_VARIABLE) or DEFAULT_NETWORK
        try:
            whole = ipaddress.IPv4Network(text)
        except ValueError as error:
            raise ClusterError(f"{NETWORK_VARIABLE}={text}: {error}") from error
        if whole.prefixlen != PREFIX_BITS or not whole.is_private:
            raise ClusterError(f"{NETWORK_VARIABLE}={text}: a private /16 is needed")
        return cls(whole)

    def _part(self, third: int, bits: int) -> str:
        return f"{self.whole.network_address + third * 256}/{bits}"

    @property
    def pods(self) -> str:
        """Return the pods' range."""
        return self._part(0, 24)

    @property
    def services(self) -> str:
        """Return the Services' range."""
        return self._part(128, 24)

    @property
    def machine(self) -> str:
        """Return the machine's address on the link; pods reach servers on the machine at it."""
        return str(self.whole.network_address + 255 * 256 + 1)

    @property
    def node(self) -> str:
        """Return the node's address: API server, kubelet, DNS."""
        return str(self.whole.network_address + 255 * 256 + 2)

    @property
    def link_bits(self) -> int:
        """Return the length of the link's prefix."""
        return 30


@dataclass(frozen=True)
class Paths:
    """Paths inside, for configuration files, and how they are reached from the machine."""

    home: Path = HOME

    @property
    def instance(self) -> Path:
        """Return the instance's folder on the machine."""
        return self.home / RUN / INSIDE.name

    @property
    def containerd_socket(self) -> Path:
        """Return containerd's socket on the machine."""
        return self.home / RUN / "containerd" / "containerd.sock"
