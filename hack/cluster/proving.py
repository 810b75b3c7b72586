"""Start, crash and end the single-node cluster in several ways, and show that nothing is left."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hack.cluster import components, traces
from hack.cluster.errors import ClusterError
from hack.cluster.node.cluster import NodeInstance, SingleNode
from hack.cluster.node.layout import LINK, PAUSE_IMAGE
from hack.cluster.processes import ProcessId


def prove() -> None:
    """Do it, and print one line for each way.

    Raises:
        ClusterError: a cluster runs already, or something was left.
    """
    cluster = SingleNode()
    if cluster.running:
        raise ClusterError("a cluster runs; end it first with `down`")
    cluster.down()
    for what, crash in CRASHES.items():
        before = traces.snapshot()
        began = time.monotonic()
        cluster.up()
        _run_pod(cluster)
        ready = time.monotonic()
        crash(cluster)
        cluster.down()
        ended = time.monotonic()
        left = traces.differences(before, traces.snapshot())
        if left:
            raise ClusterError(f"{what}: this is left\n" + "\n".join(left))
        print(
            f"{what}: pod ran {ready - began:.1f} s after the start; gone in {ended - ready:.1f} s"
        )


def _run_pod(cluster: SingleNode) -> None:
    """Have a pod with a service account token and a volume of memory run."""
    container = {
        "name": "pause",
        "image": PAUSE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
    }
    volumes = [{"name": "memory", "emptyDir": {"medium": "Memory"}}]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "proof"},
        "spec": {"containers": [container], "volumes": volumes},
    }
    path = cluster.home / "proof.json"
    path.write_text(json.dumps(pod))
    _until(lambda: bool(cluster.kubectl_json("get", "serviceaccount", "default")), "an account")
    cluster.kubectl("apply", "--filename", str(path))
    cluster.kubectl("wait", "pod/proof", "--for=condition=Ready", "--timeout=60s")


def _nothing(_: SingleNode) -> None:
    pass


def _kill_first(cluster: SingleNode) -> None:
    process = NodeInstance(cluster.home).supervisor
    assert process is not None  # noqa: S101 - it runs
    process.signal(signal.SIGKILL)


def _kill_holder(cluster: SingleNode) -> None:
    process = NodeInstance(cluster.home).holder
    assert process is not None  # noqa: S101 - it runs
    process.signal(signal.SIGKILL)


def _kill_shims(cluster: SingleNode) -> None:
    for process in _processes_below(cluster, "containerd-shim"):
        process.signal(signal.SIGKILL)


def _kill_each_component(cluster: SingleNode) -> None:
    """Kill every component once, and wait until the supervisor has started it again."""
    for name in cluster.states():
        cluster.restart(name, kill=True)
    _until(cluster.node_ready, "the node is ready again")


def _break_link(_: SingleNode) -> None:
    subprocess.run(["ip", "link", "delete", LINK], check=True)


def _forget_state(cluster: SingleNode) -> None:
    (cluster.paths.instance / components.STATE).unlink()


CRASHES: Mapping[str, Callable[[SingleNode], None]] = {
    "ended by `down`": _nothing,
    "kill -9 of the first process": _kill_first,
    "kill -9 of the holder of the namespaces": _kill_holder,
    "kill -9 of containerd's shims": _kill_shims,
    "kill -9 of every component": _kill_each_component,
    "link to the machine deleted": _break_link,
    "state file deleted": _forget_state,
}


def _processes_below(cluster: SingleNode, name: str) -> list[ProcessId]:
    """Return processes of the cluster's process namespace by a part of their command."""
    first = NodeInstance(cluster.home).supervisor
    assert first is not None  # noqa: S101 - it runs
    namespace = Path(f"/proc/{first.pid}/ns/pid").readlink()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inside = (folder / "ns" / "pid").readlink() == namespace
            matches = name.encode() in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        process = ProcessId.of(int(folder.name)) if inside and matches else None
        found += [process] if process else []
    return found


def _until(done: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {seconds:.0f} s: {what}")
        time.sleep(0.1)
