"""The cluster's first process: set its namespaces up, then supervise.

`python -m hack.cluster.node.inside HOME NODE_ADDRESS MACHINE_ADDRESS/BITS PROGRAM_FOLDER…`; the
caller has made the namespaces. Nothing is imported after the mounts: /var and /run are others then.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import supervising
from hack.cluster.node.layout import INSIDE, NAME, PEER, RUN, VAR

LINK_SECONDS = 20.0
KERNEL_PARAMETERS: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet sets for the whole machine. It is shown files with these values instead, so that
the machine's stay as they are (kubernetes/kubernetes: pkg/kubelet/cm, setupKernelTunables)."""


def main() -> None:
    """Set up and supervise; see the module's text."""
    home, node, machine, *folders = sys.argv[1:]
    _mount(Path(home), [Path(folder) for folder in folders])
    _pretend_kernel_parameters()
    _connect(node, machine)
    socket.sethostname(NAME)
    supervising.Supervisor(INSIDE).run()


def _mount(home: Path, programs: list[Path]) -> None:
    run("mount", "--make-rshared", "/")
    for folder in programs:
        point = home / RUN / INSIDE.name / "bin" / folder.name.rpartition("-")[0]
        point.mkdir(parents=True, exist_ok=True)
        run("mount", "--bind", folder, point)
    run("mount", "--rbind", home / RUN, "/run")
    run("mount", "--bind", home / VAR, "/var")


def _pretend_kernel_parameters() -> None:
    for name, value in KERNEL_PARAMETERS.items():
        real = Path("/proc/sys") / name
        if real.exists():
            shown = INSIDE / "parameters" / name
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.write_text(f"{value}\n")
            run("mount", "--bind", shown, real)


def _connect(node: str, machine: str) -> None:
    """Set the link up once the machine has put its end here."""
    deadline = time.monotonic() + LINK_SECONDS
    while PEER not in {name for _, name in socket.if_nameindex()}:
        if time.monotonic() > deadline:
            sys.exit(f"no link {PEER} within {LINK_SECONDS:.0f} s")
        time.sleep(0.01)
    address, _, bits = machine.partition("/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{node}/{bits}", "dev", PEER)
    run("ip", "link", "set", PEER, "up")
    run("ip", "route", "add", "default", "via", address)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def run(*command: str | Path) -> None:
    """Run a program; its failure ends the cluster's start."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
