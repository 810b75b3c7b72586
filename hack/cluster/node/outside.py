"""What the cluster needs of the machine: a link, routes, NAT, a control group. Made and unmade."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.node.layout import LINK, NAME, NETWORK_VARIABLE, PEER, RULE_TAG, Network
from hack.cluster.processes import ProcessId

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
CONTROL_GROUP_KINDS = ("cgroup", "cgroup2")
DELEGATED = ("cpu", "memory", "pids", "cpuset", "io", "hugetlb")
GONE_SECONDS = 20.0


def refuse_foreign(network: Network) -> None:
    """Check that nothing of somebody else is where the cluster goes.

    Raises:
        ClusterError: something is; the message names it.
    """
    if (Path("/sys/class/net") / LINK).exists():
        raise ClusterError(
            f"a network link {LINK} is there that this cluster did not make; "
            f"see `ip link show {LINK}`, and remove it if it is nobody's"
        )
    for route in _routes():
        if route.overlaps(network.whole):
            raise ClusterError(
                f"this machine already has a route to {route}, inside the cluster's "
                f"{network.whole}; choose another /16 with {NETWORK_VARIABLE}"
            )
    for group in control_groups():
        if group.exists():
            raise ClusterError(f"the control group {group} is in use by somebody else")


def _routes() -> list[ipaddress.IPv4Network]:
    listed = json.loads(_output("ip", "-j", "-4", "route", "show", "table", "all") or "[]")
    found = []
    for entry in listed:
        with contextlib.suppress(ValueError):  # "default", and kinds that name no network
            found.append(ipaddress.IPv4Network(entry["dst"]))
    return [route for route in found if route.prefixlen]


def connect(network: Network, node_pid: int, home: Path) -> None:
    """Link the machine with the node, and let pods reach what the machine reaches."""
    peer = ["peer", "name", PEER, "netns", str(node_pid)]
    _run("ip", "link", "add", LINK, "type", "veth", *peer)
    _run("ip", "address", "add", f"{network.machine}/{network.link_bits}", "dev", LINK)
    _run("ip", "link", "set", LINK, "up")
    _run("ip", "route", "add", str(network.whole), "via", network.node, "dev", LINK)
    (home / "ip_forward.before").write_text(FORWARDING.read_text())
    FORWARDING.write_text("1")
    _add_nat(network)


def _add_nat(network: Network) -> None:
    whole = network.whole
    rules = f"""table ip {RULE_TAG} {{
      chain postrouting {{
        type nat hook postrouting priority 100;
        ip saddr {whole} ip daddr != {whole} masquerade
      }}
    }}"""
    done = subprocess.run(
        ["nft", "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"pods will not reach beyond this machine: nft: {done.stderr.strip()}")


def disconnect(home: Path) -> None:
    """Take back what `connect` did; what is gone already is fine."""
    _output("nft", "delete", "table", "ip", RULE_TAG)
    before = home / "ip_forward.before"
    if before.exists():
        FORWARDING.write_text(before.read_text())
        before.unlink()
    if (Path("/sys/class/net") / LINK).exists():
        _output("ip", "link", "delete", LINK)


def control_groups() -> Iterator[Path]:
    """Yield where the cluster's control group is in each hierarchy of the machine."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, mount_point, kind, *_ = line.split()
        if kind in CONTROL_GROUP_KINDS:
            yield Path(mount_point) / NAME


def make_control_groups() -> None:
    """Make the cluster's control group, below which the kubelet keeps its pods."""
    for group in control_groups():
        group.mkdir(exist_ok=True)
        for folder in (group.parent, group):
            available = folder / "cgroup.controllers"
            if not available.exists():  # cgroup v1
                continue
            for controller in set(available.read_text().split()) & set(DELEGATED):
                with contextlib.suppress(OSError):
                    (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_control_groups() -> None:
    """Kill what is left in the control group, and remove it.

    Raises:
        ClusterError: it cannot be removed.
    """
    deadline = time.monotonic() + GONE_SECONDS
    for group in control_groups():
        while group.exists() and not _remove_group(group):
            if time.monotonic() > deadline:
                raise ClusterError(f"{group} is still in use; see its cgroup.procs")
            time.sleep(0.05)


def _remove_group(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            for line in (Path(folder) / "cgroup.procs").read_text().split():
                process = ProcessId.of(int(line))
                if process is not None:
                    process.signal(signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
