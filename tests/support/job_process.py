"""The container of a Job's pod as a process, where there is no kubelet to start it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.commands import COMMAND

Secrets = Mapping[tuple[str, str], str]
"""(Secret, key) -> value."""

_FIELD = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")


def field(pod: Mapping[str, Any], path: str) -> str:
    """Return what the downward API gives for a field."""
    found = _FIELD.fullmatch(path)
    if found is None:
        return str(pod["metadata"][path.removeprefix("metadata.")])
    return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))


def variables(pod: Mapping[str, Any], secrets: Secrets) -> dict[str, str]:
    """Return the environment that a kubelet would give the pod's only container."""
    (container,) = pod["spec"]["containers"]
    given = {}
    for item in container["env"]:
        source = item.get("valueFrom", {})
        if "fieldRef" in source:
            given[item["name"]] = field(pod, source["fieldRef"]["fieldPath"])
        elif "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            given[item["name"]] = secrets[reference["name"], reference["key"]]
        else:
            given[item["name"]] = item.get("value", "")
    return given


def run_pod(
    pod: Mapping[str, Any], folder: Path, secrets: Secrets, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the pod's container to its end.

    Args:
        pod: as the API server has it.
        folder: for the files of its volumes.
        secrets: those it may refer to.
        more: variables beside its own.
    """
    (container,) = pod["spec"]["containers"]
    volume = next(one for one in pod["spec"]["volumes"] if "downwardAPI" in one)
    mount = next(one for one in container["volumeMounts"] if one["name"] == volume["name"])
    here = folder / pod["metadata"]["name"]
    here.mkdir()
    for item in volume["downwardAPI"]["items"]:
        text = field(pod, item["fieldRef"]["fieldPath"])
        (here / item["path"]).write_text(text, "utf-8")
    arguments = [each.replace(mount["mountPath"], str(here)) for each in container["args"]]
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [str(COMMAND), *arguments],
        env=kept
        | variables(pod, secrets)
        | {"HOME": str(here), "CRYPTOSOURCE_DATA_DIR": str(here)}
        | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
