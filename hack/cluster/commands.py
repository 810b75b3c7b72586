"""What each subcommand does."""

from __future__ import annotations

import argparse
import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hack.cluster import building, choosing, control_plane, exports, places, proving
from hack.cluster.components import LOGS, State
from hack.cluster.errors import ClusterError
from hack.cluster.instances import Instance
from hack.cluster.kind import Kind
from hack.cluster.node import parts
from hack.cluster.node.cluster import SingleNode

KEPT = "kept-"
"""Of the folders of control planes that go on after the command that started them."""


USED = ("etcd", "kubernetes", "helm")
"""Modules whose programs every user of a cluster needs; the others are for tests that ask."""


@contextmanager
def alone() -> Iterator[None]:
    """Hold off other commands that start or end clusters of this user."""
    places.cache().mkdir(parents=True, exist_ok=True)
    with (places.cache() / ".cluster.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def kept(name: str) -> Instance:
    """Return the control plane of a name, whether it runs or not."""
    if not name.isidentifier():
        raise ClusterError(f"{name!r} is no name for a control plane: letters, digits and _")
    return Instance(places.control_planes() / f"{KEPT}{name}")


def up(options: argparse.Namespace) -> None:
    """Start what is asked for, and say how to use it."""
    began = time.monotonic()
    with alone():
        if options.control_plane:
            _up_control_plane(options)
        else:
            _up(choosing.selected(), audit=options.audit)
    which = f" --control-plane --name {options.name}" if options.control_plane else ""
    print(f"ready after {time.monotonic() - began:.1f} s; in your shell:")
    print(f'  eval "$(python3 -m hack.cluster env{which})"')


def _up(cluster: choosing.Cluster, *, audit: bool) -> None:
    if isinstance(cluster, SingleNode):
        cluster.up(audit=audit)
        return
    if audit:
        raise ClusterError("--audit is for the single node and for --control-plane")
    cluster.up()


def _up_control_plane(options: argparse.Namespace) -> None:
    instance = kept(options.name)
    control_plane.sweep()
    if instance.supervisor is not None:
        return
    instance.stop()
    instance.remove()
    instance.folder.mkdir(parents=True)
    control_plane.start(
        instance, tied=False, controllers=options.controllers.split(","), audit=options.audit
    )


def down(options: argparse.Namespace) -> None:
    """End what is asked for, and remove it."""
    with alone():
        control_plane.sweep()
        if options.control_plane:
            instance = kept(options.name)
            instance.stop()
            instance.remove()
        else:
            choosing.selected().down()


def status(options: argparse.Namespace) -> int:
    """Print what runs; return 1 when the cluster does not."""
    if options.control_plane:
        instance = kept(options.name)
        running, states, folder = (
            instance.supervisor is not None,
            instance.states,
            instance.folder / LOGS,
        )
        document: dict[str, Any] = {"cluster": "control-plane", "running": running}
    else:
        cluster = choosing.selected()
        kind = {Kind: "kind", SingleNode: "single-node"}.get(type(cluster), "KUBECONFIG")
        running = cluster.running
        document = {"cluster": kind, "running": running, "kubeconfig": str(cluster.kubeconfig)}
        states, folder = {}, Path()
        if isinstance(cluster, SingleNode):
            states, folder = cluster.states(), cluster.logs()
            document |= {"left_over": cluster.left_over, "ready": running and cluster.node_ready()}
    if running and states:
        document |= {"logs": str(folder), "components": {n: _told(s) for n, s in states.items()}}
    _print(document, as_json=options.output == "json")
    return 0 if running else 1


def _told(state: State) -> dict[str, Any]:
    return {"running": state.process is not None, "starts": state.starts}


def _print(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document, indent=1))
        return
    for key, value in document.items():
        if isinstance(value, dict):
            for name, told in value.items():
                words = "running" if told["running"] else "stopped"
                print(f"  {name:<24} {words}, started {told['starts']} times")
        else:
            print(f"{key:<12} {value}")


def env(options: argparse.Namespace) -> None:
    """Print `export` lines for a shell."""
    if options.control_plane:
        instance = kept(options.name)
        running, kubeconfig = instance.supervisor is not None, instance.folder / "admin.kubeconfig"
    else:
        cluster = choosing.selected()
        running, kubeconfig = cluster.running, cluster.kubeconfig
    if not running:
        raise ClusterError("the cluster does not run; start it with `up`")
    print("\n".join(exports.lines(kubeconfig)))


def load(options: argparse.Namespace) -> None:
    """Import image archives into the cluster."""
    cluster = choosing.selected()
    for archive in options.archives:
        if not archive.exists():
            raise ClusterError(f"there is no file {archive}; `python3 -m hack.images` makes them")
        cluster.load(archive)


def restart(options: argparse.Namespace) -> None:
    """Restart a component."""
    if options.control_plane:
        kept(options.name).restart(options.component, kill=options.kill)
        return
    cluster = choosing.selected()
    if not isinstance(cluster, SingleNode) or not cluster.running:
        raise ClusterError("only components of a running single-node cluster can be restarted")
    cluster.restart(options.component, kill=options.kill)


def prove(_: argparse.Namespace) -> None:
    """Start, crash and end the single-node cluster, and compare the machine before and after."""
    with alone():
        proving.prove()


def build(options: argparse.Namespace) -> None:
    """Build the programs of modules; by default, those that `up` and its users need here."""
    node = parts.MODULES if isinstance(choosing.selected(), SingleNode) else ()
    for name in options.modules or dict.fromkeys((*USED, *node)):
        building.programs(name)
