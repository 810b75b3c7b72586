"""`python3 -m hack.cluster`: a cluster for people, and for `make`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hack.cluster import commands, places
from hack.cluster.errors import ClusterError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m hack.cluster", description=__doc__)
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, what: str) -> argparse.ArgumentParser:
        one = subcommands.add_parser(name, help=what, description=what)
        one.set_defaults(call=getattr(commands, name))
        return one

    up = add("up", "Start a cluster: that of KUBECONFIG, else kind, else a single node.")
    up.add_argument("--controllers", default="*", help="of --control-plane: comma-separated names")
    up.add_argument("--audit", action="store_true", help="have the API server log every request")
    down = add("down", "End the cluster and leave nothing behind.")
    status = add("status", "Show what runs; exit code 1 when nothing does.")
    status.add_argument("-o", "--output", choices=["table", "json"], default="table")
    env = add("env", 'Print exports for a shell: eval "$(… env)".')
    restart = add("restart", "Restart one component, as after a crash.")
    restart.add_argument("component", help="such as kube-apiserver")
    restart.add_argument("--kill", action="store_true", help="end it by SIGKILL")
    for one in (up, down, status, env, restart):
        one.add_argument("--control-plane", action="store_true", help="one without a node: no pods")
        one.add_argument("--name", default="default", help="of --control-plane; several may run")
    load = add("load", "Make images in archives available to pods.")
    load.add_argument("archives", nargs="+", type=Path, metavar="IMAGE.tar")
    add("prove", "Show that the single node leaves nothing, however it ends. Takes a minute.")
    known = sorted(path.parent.name for path in places.MODULES.glob("*/go.mod"))
    build = add("build", "Build the cluster's programs, without starting anything.")
    build.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(known))
    return parser


def main() -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args()
    try:
        return options.call(options) or 0
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
