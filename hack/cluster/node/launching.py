"""Write down who one is, then become the process that holds the cluster's namespaces.

`python -m hack.cluster.node.launching RECORD COMMAND…`. The record is there before the namespaces
are: a cluster that nobody knows of cannot come about. `exec` keeps both process id and start time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hack.cluster.components import replace_json
from hack.cluster.processes import ProcessId

NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--mount-proc")


def main() -> None:
    """Record this process and run the command in new namespaces."""
    record, *command = sys.argv[1:]
    own = ProcessId.of(os.getpid())
    assert own is not None  # noqa: S101 - we run
    replace_json(Path(record), own.to_json())
    # The machine's mounts go on being seen inside; those of the inside stay there.
    options = ["--fork", "--kill-child", "--propagation", "slave"]
    os.execvp("unshare", ["unshare", *NAMESPACES, *options, *command])  # noqa: S606


if __name__ == "__main__":
    main()
