"""The cluster where a Docker engine runs: kind."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from hack.cluster import places
from hack.cluster.errors import ClusterError

NAME = "cryptosource"
CONFIG = Path(__file__).parent / "kind.yaml"
IMAGE_VARIABLE = "CRYPTOSOURCE_KIND_IMAGE"
"""The node's image, and so the version of Kubernetes; default: the one that kind brings."""
ENGINE_SECONDS = 10


@functools.cache
def engine_runs() -> bool:
    """Return whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            timeout=ENGINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


class Kind:
    """A kind cluster of our own name; the user's kubeconfig is not touched."""

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig."""
        return places.cache() / "kind" / "kubeconfig"

    @property
    def running(self) -> bool:
        """Return whether the cluster is there."""
        return shutil.which("kind") is not None and NAME in _kind("get", "clusters").split()

    def up(self) -> None:
        """Make the cluster and wait until its node is ready; one that is there stays.

        Raises:
            ClusterError: kind is missing or fails.
        """
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        if self.running:
            _kind("export", "kubeconfig", "--name", NAME, "--kubeconfig", str(self.kubeconfig))
            return
        options = ["--config", str(CONFIG), "--kubeconfig", str(self.kubeconfig), "--wait=120s"]
        image = places.variable(IMAGE_VARIABLE)
        options += ["--image", image] if image else []
        _kind("create", "cluster", "--name", NAME, *options)

    def has(self, reference: str) -> bool:
        """Return whether an image was loaded."""
        list_images = ["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]
        asked = subprocess.run(
            ["docker", "exec", f"{NAME}-control-plane", *list_images, f"name=={reference}"],
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.returncode == 0 and asked.stdout.strip() == reference

    def load(self, archive: Path) -> None:
        """Import an image archive."""
        _kind("load", "image-archive", "--name", NAME, str(archive))

    def down(self) -> None:
        """Remove the cluster; there may be none."""
        if self.running:
            _kind("delete", "cluster", "--name", NAME, "--kubeconfig", str(self.kubeconfig))
        self.kubeconfig.unlink(missing_ok=True)


def _kind(*arguments: str) -> str:
    if shutil.which("kind") is None:
        raise ClusterError(
            "a Docker engine runs, but kind is not on PATH; install it "
            "(https://kind.sigs.k8s.io), or set KUBECONFIG to a cluster"
        )
    done = subprocess.run(["kind", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"kind {' '.join(arguments)} failed:\n{done.stderr.strip()}")
    return done.stdout
