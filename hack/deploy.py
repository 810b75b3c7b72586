"""`python3 -m hack.deploy`: the chart, with images of the tree as it is, on the cluster that runs."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import building, choosing, exports, places
from hack.cluster.choosing import Cluster, UsersCluster
from hack.cluster.errors import ClusterError
from hack.images import keys

CHART = places.PROJECT / "charts" / "cryptosource"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
NEXT = """
In a shell of yours: eval "$(python3 -m hack.cluster env)", and then
  kubectl --namespace {namespace} apply --filename samples/
  kubectl --namespace {namespace} get csrc --watch
  kubectl --namespace {namespace} port-forward service/{release}-api 8000:80 &
  curl 'localhost:8000/data?ticker=BTC'
  helm --namespace {namespace} test {release}
`make deploy` again upgrades it; `make cluster-down` ends a cluster that we started."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m hack.deploy", description=__doc__)
    parser.add_argument("--namespace", default="crypto", help="made where it is missing")
    parser.add_argument("--release", default="cryptosource")
    parser.add_argument("--timeout", default="5m", help="for all pods to be ready")
    parser.add_argument(
        "--values",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="further values",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="build and load nothing: --values names images that the cluster can pull",
    )
    return parser.parse_args()


def helm() -> Path:
    """Return Helm: our own build where there is one, else that on PATH, else one built now."""
    tools = exports.tools()
    found = shutil.which("helm", path=os.pathsep.join([str(tools), *os.get_exec_path()]))
    if found is None:
        raise ClusterError(f"there is no helm in {tools} nor on PATH")
    return Path(found)


def deploy(options: argparse.Namespace) -> None:
    """Install or upgrade the release and wait until all of it is ready.

    Raises:
        ClusterError: no cluster runs, or not everything got ready; the message says what did not.
    """
    cluster = choosing.selected()
    if not cluster.running:
        raise ClusterError("no cluster runs; `make cluster-up` starts one")
    if not options.published:
        _bring_images(cluster)
    _make_namespace(cluster, options.namespace)
    command = [str(helm()), "upgrade", "--install", options.release, str(CHART)]
    command += ["--namespace", options.namespace, "--kubeconfig", str(cluster.kubeconfig)]
    command += ["--wait", "--wait-for-jobs", "--timeout", options.timeout, "--hide-notes"]
    command += ["--values", "-"]
    for file in options.values:
        command += ["--values", str(file)]
    ours = {} if options.published else keys.chart_values()
    done = subprocess.run(command, input=json.dumps(ours), text=True, check=False)
    if done.returncode:
        raise ClusterError(f"the release is not ready\n{_pods(cluster, options.namespace)}")


def _bring_images(cluster: Cluster) -> None:
    """Build what changed and load what the cluster lacks, in a process with mounts of its own."""
    if isinstance(cluster, UsersCluster):
        raise ClusterError(
            "images cannot be loaded into the cluster of KUBECONFIG: push them to a registry "
            "(docs/install.md) and name it, --published --values FILE"
        )
    command = [sys.executable, "-m", "hack.images", "--load"]
    if subprocess.run(command, cwd=places.PROJECT, check=False).returncode:
        raise ClusterError("the images are not in the cluster")


def _make_namespace(cluster: Cluster, name: str) -> None:
    """Have the namespace refuse every pod that is not restricted."""
    metadata = {"name": name, "labels": RESTRICTED}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    _kubectl(cluster, "apply", "--server-side", "--filename", "-", stdin=json.dumps(body))


def _pods(cluster: Cluster, namespace: str) -> str:
    """Return what a person would look at first."""
    where = ("--namespace", namespace)
    warnings = ("--field-selector", "type=Warning", "--sort-by", ".lastTimestamp")
    return "\n".join(
        (
            _kubectl(cluster, "get", "pods", *where),
            _kubectl(cluster, "get", "events", *where, *warnings),
        )
    )


def _kubectl(cluster: Cluster, *arguments: str, stdin: str | None = None) -> str:
    command = [str(building.kubectl()), "--kubeconfig", str(cluster.kubeconfig), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def main() -> int:
    """Run the command line; return the exit code."""
    options = _options()
    try:
        deploy(options)
    except ClusterError as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    print(NEXT.format(namespace=options.namespace, release=options.release))
    return 0


if __name__ == "__main__":
    sys.exit(main())
