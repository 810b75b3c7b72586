"""The Debian packages that the single-node cluster and the image build use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.node.files import CNI_PROGRAMS

FOR_NODE: Mapping[str, str] = {
    "runc": "runc",
    "containernetworking-plugins": f"{CNI_PROGRAMS}/bridge",
    "iptables": "iptables",
    "nftables": "nft",
    "iproute2": "ip",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "busybox-static": "busybox",
    "util-linux": "unshare",
    "openssl": "openssl",
}
"""Package -> a program that is there when it is installed."""
FOR_IMAGES: Mapping[str, str] = {
    "buildah": "buildah",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
}


def missing(wanted: Mapping[str, str]) -> list[str]:
    """Return the packages whose program is not there."""
    # A user's PATH often lacks the folders of the system's own programs.
    path = os.pathsep.join([*os.get_exec_path(), "/usr/sbin", "/sbin"])
    return [name for name, program in wanted.items() if shutil.which(program, path=path) is None]


def ensure(wanted: Mapping[str, str]) -> None:
    """Install what is missing: as root on Debian.

    Raises:
        ClusterError: it cannot be installed; the message lists what to install.
    """
    absent = missing(wanted)
    if not absent:
        return
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise ClusterError(
            f"these are needed: {' '.join(absent)} (names of Debian packages); install them, "
            "or start a Docker engine, which needs none of them"
        )
    print(f"installing {' '.join(absent)}", flush=True)
    _apt(["update"], needed=False)
    _apt(["install", "--yes", "--no-install-recommends", *absent], needed=True)


def _apt(arguments: Iterable[str], *, needed: bool) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", *arguments],
        env=dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and needed:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ClusterError(f"apt-get {' '.join(arguments)} failed: {last}")
