"""The cluster that tests with pods run on, and the images in it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hack.cluster import choosing, commands, places
from hack.cluster.choosing import Cluster, UsersCluster
from hack.cluster.errors import ClusterError
from hack.cluster.node.cluster import SingleNode
from hack.images import keys
from hack.images.recipes import USER_ID

SKIP_VARIABLE = "CRYPTOSOURCE_TEST_PODS"
"""`skip`: the tests with pods are skipped. Without it they fail where no cluster can run."""
IMAGES_VARIABLE = "CRYPTOSOURCE_TEST_IMAGES"
"""REPOSITORY:TAG of etl, operator, api and postgres, for a cluster that nothing can be loaded into."""
MARK = "cluster-of-tests"
"""A file of the cache: tests started the cluster whose kubeconfig it names, and have not ended it."""
OTHERS_SECONDS = 1800
"""How long to wait for another session of this user."""


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Yield a cluster: that of KUBECONFIG, else kind, else the single node.

    One that runs is used as it is; one that is started here ends here, or in the next session when
    this one is killed. Sessions of one user wait for each other.

    Raises:
        ClusterError: none can be had; the message says why.
    """
    places.cache().mkdir(parents=True, exist_ok=True)
    with (places.cache() / f".{MARK}.lock").open("w") as lock:
        wait_for_others(lock)
        cluster, mark = choosing.selected(), places.cache() / MARK
        if mark.exists() and mark.read_text("utf-8") == str(cluster.kubeconfig):
            end(cluster, mark)
        if cluster.running:
            yield cluster
            if isinstance(cluster, SingleNode):
                cluster.give_back_volumes()
            return
        mark.write_text(str(cluster.kubeconfig), "utf-8")
        try:
            start(cluster)
            yield cluster
        finally:
            end(cluster, mark)


def wait_for_others(lock: IO[str]) -> None:
    """Hold a lock file until it is closed.

    Raises:
        ClusterError: another session has it and does not end.
    """
    deadline = time.monotonic() + OTHERS_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ClusterError("another session has been testing for too long") from None
            time.sleep(1)
        else:
            return


def start(cluster: Cluster) -> None:
    """Start a cluster; where it can be done, its API server logs who did what."""
    with commands.alone():
        if isinstance(cluster, SingleNode):
            cluster.up(audit=True)
        else:
            cluster.up()


def end(cluster: Cluster, mark: Path) -> None:
    """End a cluster that tests have started."""
    with commands.alone():
        cluster.down()
    mark.unlink(missing_ok=True)


def image_values(cluster: Cluster) -> dict[str, Any]:
    """Have the images of the tree in the cluster, and return the chart's values that name them.

    Raises:
        ClusterError: they cannot be built or loaded.
    """
    if isinstance(cluster, UsersCluster):
        return _published()
    done = subprocess.run(
        [sys.executable, "-m", "hack.images", "--load"],
        cwd=places.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"the images cannot be had:\n{done.stderr}")
    return keys.chart_values()


def _published() -> dict[str, Any]:
    repository, _, tag = os.environ.get(IMAGES_VARIABLE, "").rpartition(":")
    if not repository:
        raise ClusterError(
            f"into the cluster of KUBECONFIG no image can be loaded: push what `make images` "
            f"builds, and set {IMAGES_VARIABLE}=REPOSITORY:TAG; or unset KUBECONFIG"
        )
    development = {"image": f"{repository}/postgres:{tag}", "userId": USER_ID}
    return {
        "image": {"repository": repository, "tag": tag},
        "database": {"development": development},
    }
