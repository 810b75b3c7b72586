"""What a shell exports to use a cluster."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import building, places

LINKED: Mapping[str, tuple[str, ...]] = {
    "etcd": ("etcd",),
    "kubernetes": ("kube-apiserver", "kube-controller-manager", "kubectl"),
    "helm": ("helm",),
}
"""Module -> programs that belong on PATH or into envtest's folder."""


def tools() -> Path:
    """Return a folder with links to kubectl, helm, and what envtest looks for.

    Programs that are on PATH already are not built; those that are built go before them.
    """
    folder = places.cache() / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    for name, programs in LINKED.items():
        for program in programs:
            _link(folder / program, name)
    return folder


def _link(link: Path, module: str) -> None:
    built = building.module(module).built / link.name
    if not built.exists():
        elsewhere = places.variable("PATH") or os.defpath
        others = [one for one in elsewhere.split(os.pathsep) if one != str(link.parent)]
        if shutil.which(link.name, path=os.pathsep.join(others)):
            link.unlink(missing_ok=True)
            return
        built = building.programs(module, link.name)[link.name]
    if not link.is_symlink() or link.readlink() != built:
        unfinished = link.with_name(f".{link.name}.{os.getpid()}")
        unfinished.symlink_to(built)
        unfinished.replace(link)


def lines(kubeconfig: Path) -> list[str]:
    """Return `export` lines for a POSIX shell."""
    folder = tools()
    values = {"KUBECONFIG": str(kubeconfig), "KUBEBUILDER_ASSETS": str(folder)}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    if not (folder / "kube-apiserver").exists():
        exports.pop()
    return [*exports, f'export PATH={shlex.quote(str(folder))}:"$PATH"']
