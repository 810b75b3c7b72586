"""Image archives with further files, made without a builder: a layer more, and its configuration."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
LEFT_OUT = frozenset({MANIFEST, "repositories", "index.json", "oci-layout"})
"""What names the image as it was; `manifest.json` is written anew and is enough."""


def add_layer(
    archive: Path,
    target: Path,
    *,
    reference: str,
    files: Mapping[str, str],
    environment: Mapping[str, str],
) -> None:
    """Write the archive of an image that is another one with files and variables added.

    Args:
        archive: as `docker save` or `buildah push docker-archive:` writes it, with one image.
        target: where to write.
        reference: the new image's full name.
        files: path in the image -> text; every user may read them.
        environment: variables of its containers.
    """
    layer = _layer(files)
    with tarfile.open(archive) as image, tarfile.open(target, "w") as result:
        (manifest,) = _json(image, MANIFEST)
        config = _json(image, manifest["Config"])
        config["config"]["Env"] = [
            *config["config"].get("Env", ()),
            *(f"{name}={value}" for name, value in environment.items()),
        ]
        config["rootfs"]["diff_ids"].append(f"sha256:{_digest(layer)}")
        config.setdefault("history", []).append({"created_by": "files of a test"})
        written = json.dumps(config).encode()
        manifest |= {
            "Config": f"{_digest(written)}.json",
            "RepoTags": [reference],
            "Layers": [*manifest["Layers"], f"{_digest(layer)}.tar"],
        }
        for member in image:
            if member.name not in LEFT_OUT:
                result.addfile(member, image.extractfile(member) if member.isreg() else None)
        _add(result, manifest["Layers"][-1], layer)
        _add(result, manifest["Config"], written)
        _add(result, MANIFEST, json.dumps([manifest]).encode())


def _layer(files: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as layer:
        for name, text in sorted(files.items()):
            _add(layer, name.removeprefix("/"), text.encode())
    return written.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def _json(archive: tarfile.TarFile, name: str) -> Any:
    content = archive.extractfile(name)
    assert content is not None, name
    return json.load(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
