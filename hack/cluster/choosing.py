"""Which cluster a command means: the user's own, kind where Docker runs, else the single node."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol

from hack.cluster import building, places
from hack.cluster.errors import ClusterError
from hack.cluster.kind import Kind, engine_runs
from hack.cluster.node.cluster import SingleNode


class Cluster(Protocol):
    """What can be done with any cluster."""

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""

    @property
    def running(self) -> bool:
        """Return whether the cluster is there."""

    def up(self) -> None:
        """Have it running and ready."""

    def has(self, reference: str) -> bool:
        """Return whether its pods find an image that was loaded."""

    def load(self, archive: Path) -> None:
        """Make an image available to its pods."""

    def down(self) -> None:
        """End it and leave nothing."""


class UsersCluster:
    """The cluster of the user's KUBECONFIG: used, never started, ended or changed by us."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = Path(kubeconfig)

    @property
    def running(self) -> bool:
        """Return whether its API answers."""
        kubectl = building.kubectl()
        asked = subprocess.run(
            [kubectl, "get", "--raw=/readyz", "--request-timeout=10s"],
            env=places.variables() | {"KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def up(self) -> None:
        """Check that it answers.

        Raises:
            ClusterError: it does not.
        """
        if not self.running:
            raise ClusterError(
                f"the cluster of KUBECONFIG={self.kubeconfig} does not answer; "
                "start it, or unset KUBECONFIG to have one made"
            )

    def has(self, reference: str) -> bool:  # noqa: ARG002 - as the other clusters
        """Return False: nothing can be loaded into it."""
        return False

    def load(self, archive: Path) -> None:
        """Refuse: there is no way to hand a file to any cluster.

        Raises:
            ClusterError: always.
        """
        raise ClusterError(
            f"{archive} cannot be loaded into the cluster of KUBECONFIG; "
            "push the image to a registry that it reads"
        )

    def down(self) -> None:
        """Leave it alone."""
        print(f"the cluster of KUBECONFIG={self.kubeconfig} is not ours; it is left as it is")


def selected() -> Cluster:
    """Return the cluster; after `eval "$(… env)"`, KUBECONFIG means the one that was made."""
    own: tuple[Kind | SingleNode, ...] = (Kind(), SingleNode())
    named = places.selected_kubeconfig()
    if named is not None:
        ours = [cluster for cluster in own if str(cluster.kubeconfig) == named]
        return ours[0] if ours else UsersCluster(named)
    if SingleNode().running:  # Docker may have been started since
        return own[1]
    return own[0] if engine_runs() else own[1]
