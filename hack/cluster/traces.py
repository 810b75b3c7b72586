"""What a single-node cluster could leave on a machine, for a comparison before and after."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from hack.cluster.node import outside
from hack.cluster.node.layout import HOME

FIXED_PATHS = (
    str(HOME),
    "/etc/cni",
    "/run/containerd",
    "/run/netns",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
"""Where Kubernetes, containerd and CNI keep things when nobody prevents it."""
PARAMETERS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
COMMANDS = {
    "links": ("ip", "-brief", "link"),
    "addresses": ("ip", "-brief", "address"),
    "routes": ("ip", "route", "show", "table", "all"),
    "nftables": ("nft", "list", "ruleset"),
    "iptables": ("iptables-save",),
}

Snapshot = dict[str, list[str]]


def snapshot() -> Snapshot:
    """Return the machine's state, by kind of trace, as sorted lines."""
    found = {kind: _lines(*command) for kind, command in COMMANDS.items()}
    mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    groups = [group for group in outside.control_groups() if group.exists()]
    found |= {
        "mounts": sorted(mounts),
        "processes": sorted(_processes()),
        "paths": [path for path in FIXED_PATHS if Path(path).exists()],
        "control groups": sorted(str(group) for group in groups),
        "parameters": [
            f"{name} = {(Path('/proc/sys') / name).read_text().strip()}" for name in PARAMETERS
        ],
    }
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return what is there now and was not, and what was there and is not."""
    lines = []
    for kind in before:
        lines += [f"{kind}: + {line}" for line in after[kind] if line not in before[kind]]
        lines += [f"{kind}: - {line}" for line in before[kind] if line not in after[kind]]
    return lines


def _lines(*command: str) -> list[str]:
    try:
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return []
    return sorted(line for line in printed.splitlines() if not line.startswith("#"))


def _processes() -> Iterator[str]:
    """Yield processes of other network namespaces, and those that speak of the cluster."""
    own = Path("/proc/self/ns/net").readlink()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
            elsewhere = (folder / "ns" / "net").readlink() != own
        except OSError:
            continue
        if elsewhere or "hack.cluster.node" in command:
            yield f"{folder.name} {command[:120]}"
