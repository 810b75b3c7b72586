"""Start, look at, fill and end the single-node cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hack.cluster import (
    building,
    components,
    control_plane,
    kubeconfigs,
    kubernetes,
    packages,
    places,
)
from hack.cluster.errors import ClusterError
from hack.cluster.instances import Instance
from hack.cluster.node import bootstrap, outside, parts, pause
from hack.cluster.node.layout import HOME, NAME, VAR, Network, Paths
from hack.cluster.processes import ProcessId

MARKER = "made-by-cryptosource"
"""A file of HOME: only a folder with it is ours to remove."""
RECORD = "holder.json"
"""A file of HOME: the process that holds the namespaces."""
COMPLETE = "complete"
"""A file of HOME: the start went to its end, so that `up` has nothing left to do."""
IMPORT_NAMESPACE = "k8s.io"
"""containerd's namespace for Kubernetes."""
NODE_READY_SECONDS = 120.0
VOLUME_MODE = 0o777
"""Pods of any user write to their volumes, as with kind's provisioner."""


class NodeInstance(Instance):
    """An instance whose supervisor is the first process of its own process namespace."""

    def __init__(self, home: Path) -> None:
        super().__init__(Paths(home).instance)
        self.home = home

    @property
    def holder(self) -> ProcessId | None:
        """Return the process that holds the namespaces, while it lives."""
        process = ProcessId.from_json(components.read_json(self.home / RECORD))
        return process if process is not None and process.alive else None

    @property
    def supervisor(self) -> ProcessId | None:
        """Return the first process, by its id on the machine."""
        holder = self.holder
        if holder is None:
            return None
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        try:
            listed = children.read_text().split()
        except OSError:
            return None
        return ProcessId.of(int(listed[0])) if listed else None


class SingleNode:
    """The cluster of this machine."""

    def __init__(self, home: Path = HOME) -> None:
        self.home = home
        self.paths = Paths(home)
        self._instance = NodeInstance(home)

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.paths.instance / "admin.kubeconfig"

    @property
    def running(self) -> bool:
        """Return whether the cluster's processes are there, healthy or not."""
        return self._instance.supervisor is not None

    @property
    def left_over(self) -> bool:
        """Return whether something of a cluster is there that does not run."""
        return (self.home / MARKER).exists() and not self.running

    @property
    def audit_log(self) -> Path:
        """Return where requests are logged, in a cluster that was started with `audit`."""
        return self.paths.instance / kubernetes.AUDIT_LOG

    def up(self, *, audit: bool = False) -> None:
        """Start the cluster and wait until its node is ready; a running one is left as it is.

        Args:
            audit: have the API server log who did what.

        Raises:
            ClusterError: something is missing or in the way.
        """
        refuse_unsupported()
        if self.running and (self.home / COMPLETE).exists():
            self._wait_ready()
            self.give_back_volumes()
            return
        self.down()
        network = Network.selected()
        packages.ensure(packages.FOR_NODE)
        outside.refuse_foreign(network)
        for name in parts.MODULES:
            building.programs(name)
        try:
            self._start(network, audit=audit)
        except BaseException:
            # Read before everything is removed: the logs say what went wrong.
            print(self._instance.log_tails(), file=sys.stderr)
            self.down()
            raise

    def _start(self, network: Network, *, audit: bool) -> None:
        self._make_folders()
        parts.prepare(self.paths.instance, network, audit=audit)
        outside.make_control_groups()
        self._launch(network, [building.module(name).built for name in parts.MODULES])
        first = self._instance.supervisor
        assert first is not None  # noqa: S101 - `_launch` waited for it
        outside.connect(network, first.pid, self.home)
        url = parts.endpoints(network).url
        self._instance.wait(
            lambda: control_plane.ready(self.paths.instance, url), 90, "the API is ready"
        )
        self.kubectl("apply", "--filename", str(self.paths.instance / "bootstrap.json"))
        self._instance.wait(self._containerd_answers, 60, "containerd answers")
        self.load(pause.write(self.home / "pause.tar"))
        self._wait_ready()
        (self.home / COMPLETE).touch()

    def _make_folders(self) -> None:
        if self.home.exists() and any(self.home.iterdir()):
            raise ClusterError(f"{self.home} holds something else; move it away")
        self.home.mkdir(parents=True, exist_ok=True, mode=0o711)
        (self.home / MARKER).touch()
        self.paths.instance.mkdir(parents=True)
        for folder in ("lib", "log", "tmp", "cache"):
            (self.home / VAR / folder).mkdir(parents=True)
        inside = Path(bootstrap.VOLUMES_FOLDER).relative_to("/var")
        for number in range(bootstrap.VOLUMES):
            volume = self.home / VAR / inside / f"{number:02}"
            volume.mkdir(parents=True)
            volume.chmod(VOLUME_MODE)

    def _launch(self, network: Network, programs: list[Path]) -> None:
        logs = self.paths.instance / components.LOGS
        logs.mkdir()
        module = [sys.executable, "-m"]
        inside = [*module, "hack.cluster.node.inside", str(self.home), network.node]
        inside += [f"{network.machine}/{network.link_bits}", *map(str, programs)]
        launching = [*module, "hack.cluster.node.launching", str(self.home / RECORD)]
        system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        with (logs / "supervisor.log").open("ab") as log:
            launched = subprocess.Popen(
                [*launching, *inside],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": system, "PYTHONPATH": str(places.PROJECT), "HOME": "/root"},
                cwd="/",
                start_new_session=True,
            )
        # It outlives whoever starts it and is ended by its id, so it is nobody's to wait for: Python
        # would warn of that, which is an error in the test that happens to run then.
        launched.returncode = 0
        self._instance.wait(lambda: self.running, 20, "the first process starts")

    def _containerd_answers(self) -> bool:
        return self.paths.containerd_socket.exists() and not self._ctr("version").returncode

    def _wait_ready(self) -> None:
        self._instance.wait(self.node_ready, NODE_READY_SECONDS, "the node is ready")

    def node_ready(self) -> bool:
        """Return whether the node is there and ready."""
        nodes = self.kubectl_json("get", "node", NAME, "--ignore-not-found")
        conditions = nodes.get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def has(self, reference: str) -> bool:
        """Return whether an image was loaded."""
        done = self._ctr("images", "list", "--quiet", f"name=={reference}")
        return done.returncode == 0 and done.stdout.strip() == reference

    def load(self, archive: Path) -> None:
        """Import an image archive, so that pods find the image without a registry.

        Raises:
            ClusterError: containerd refuses it.
        """
        done = self._ctr("images", "import", str(archive))
        if done.returncode:
            raise ClusterError(f"importing {archive} failed: {done.stderr.strip()}")

    def give_back_volumes(self) -> None:
        """Empty the volumes whose claims are gone, and offer them to others."""
        for volume in self.kubectl_json("get", "persistentvolumes").get("items", ()):
            if volume["status"].get("phase") != "Released":
                continue
            inside = Path(volume["spec"]["hostPath"]["path"]).relative_to("/var")
            for entry in (self.home / VAR / inside).iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            free = json.dumps({"spec": {"claimRef": None}})
            name = volume["metadata"]["name"]
            self.kubectl("patch", "persistentvolume", name, "--type=merge", f"--patch={free}")

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Stop a component and start it once more.

        Raises:
            ClusterError: there is no such component.
        """
        known = self._instance.states
        if name not in known:
            raise ClusterError(f"there is no component {name!r}; there are: {', '.join(known)}")
        self._instance.restart(name, kill=kill)

    def states(self) -> dict[str, components.State]:
        """Return what was last known of the components."""
        return self._instance.states

    def logs(self) -> Path:
        """Return the folder of the components' logs."""
        return self.paths.instance / components.LOGS

    def down(self) -> None:
        """End the cluster and remove everything of it; there may be none.

        Raises:
            ClusterError: something cannot be removed.
        """
        if not (self.home / MARKER).exists():
            return
        refuse_unsupported()
        self._end_processes()
        outside.remove_control_groups()
        outside.disconnect(self.home)
        self._remove_home()

    def _end_processes(self) -> None:
        holder, first = self._instance.holder, self._instance.supervisor
        if first is not None:  # with it, the kernel ends all processes below
            first.stop(grace_seconds=0, kill_seconds=30)
        if holder is not None:
            holder.stop(grace_seconds=5)

    def _remove_home(self) -> None:
        deadline = time.monotonic() + 10
        while self.home.exists():
            # The marker goes last: a removal that is cut short can be taken up again.
            for entry in self.home.iterdir():
                if entry.name != MARKER and entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.name != MARKER:
                    entry.unlink(missing_ok=True)
            if [entry.name for entry in self.home.iterdir()] == [MARKER]:
                shutil.rmtree(self.home)
            elif time.monotonic() > deadline:
                raise ClusterError(f"{self.home} cannot be removed; is something mounted in it?")

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises:
            ClusterError: kubectl failed; the message is its own.
        """
        return kubeconfigs.kubectl(self.kubeconfig, *arguments)

    def kubectl_json(self, *arguments: str) -> dict[str, Any]:
        """Run kubectl and return its JSON; nothing when the API did not answer."""
        try:
            document = json.loads(self.kubectl(*arguments, "--output=json") or "{}")
        except (ClusterError, json.JSONDecodeError):
            return {}
        return document if isinstance(document, dict) else {}

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ctr = building.programs("containerd", "ctr")["ctr"]
        options = [f"--address={self.paths.containerd_socket}", f"--namespace={IMPORT_NAMESPACE}"]
        return subprocess.run(
            [ctr, *options, *arguments], capture_output=True, text=True, check=False
        )


def refuse_unsupported() -> None:
    """Check that this machine can hold a single-node cluster.

    Raises:
        ClusterError: it is no Linux, or the user is not root.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError(
            "the single-node cluster needs Linux and root; start a Docker engine (kind is used "
            "then), set KUBECONFIG to a cluster, or use --control-plane, which needs neither"
        )
