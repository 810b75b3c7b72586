"""Where things are kept, all of it outside the work tree. The one reader of the environment."""

from __future__ import annotations

import os
from pathlib import Path

from hack.cluster.errors import ClusterError

CACHE_VARIABLE = "CRYPTOSOURCE_CACHE_DIR"
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""envtest's convention: a folder with `etcd` and `kube-apiserver`."""
MODULES = Path(__file__).parent / "modules"
"""The committed go.mod files."""
PROJECT = Path(__file__).parents[2]


def variables() -> dict[str, str]:
    """Return a copy of the environment."""
    return dict(os.environ)


def variable(name: str) -> str | None:
    """Return an environment variable; an empty one counts as absent."""
    return os.environ.get(name) or None


def cache() -> Path:
    """Return the cache folder: CRYPTOSOURCE_CACHE_DIR, else below XDG_CACHE_HOME or ~/.cache.

    Raises:
        ClusterError: the named folder is inside the work tree.
    """
    named = variable(CACHE_VARIABLE)
    if named is None:
        parent = variable("XDG_CACHE_HOME")
        return (Path(parent) if parent else Path.home() / ".cache") / "cryptosource"
    folder = Path(named).expanduser().resolve()
    if folder.is_relative_to(PROJECT):
        raise ClusterError(f"{CACHE_VARIABLE}={named} is inside the work tree; choose another")
    return folder


def binaries() -> Path:
    """Return the folder of built programs; one folder in it for each module and key."""
    return cache() / "bin"


def control_planes() -> Path:
    """Return the folder of control planes without a node; one folder in it for each."""
    return cache() / "control-planes"


def selected_kubeconfig() -> str | None:
    """Return the user's KUBECONFIG, as it is."""
    return variable("KUBECONFIG")
