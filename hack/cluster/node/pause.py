"""The image of the container that holds a pod's namespaces, made without a builder."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.node.layout import PAUSE_IMAGE

FOREVER_SECONDS = "2147483647"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(path: Path) -> Path:
    """Write the image as an archive in Docker's format: a static busybox that sleeps.

    Raises:
        ClusterError: there is no busybox.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise ClusterError("busybox is not on PATH; on Debian: apt-get install busybox-static")
    layer = _tar({"busybox": (Path(busybox).read_bytes(), 0o755)})
    config = _config(layer)
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    contents = {
        "layer.tar": layer,
        "config.json": config,
        "manifest.json": json.dumps(manifest).encode(),
    }
    path.write_bytes(_tar({name: (data, 0o644) for name, data in contents.items()}))
    return path


def _config(layer: bytes) -> bytes:
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    machine = platform.machine()
    document = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": ["/busybox", "sleep", FOREVER_SECONDS], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    }
    return json.dumps(document).encode()


def _tar(contents: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (data, mode) in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
