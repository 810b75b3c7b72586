"""Build the cluster's programs from the pinned Go modules, once for each key."""

from __future__ import annotations

import fcntl
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import places, toolchain
from hack.cluster.errors import ClusterError

TOOL_BLOCK = re.compile(r"^tool \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
TOOL_LINE = re.compile(r"^tool (\S+)$", re.MULTILINE)
KUBERNETES = re.compile(r"k8s\.io/kubernetes v(?P<text>(?P<major>\d+)\.(?P<minor>\d+)\.\d+)")
PROMETHEUS = re.compile(r"github\.com/prometheus/prometheus v0\.(\d)0?(\d+)\.(\d+)")
"""The module v0.315.0 is Prometheus 3.15.0."""
HELM = re.compile(r"^(?:require |\t)(?P<path>helm\.sh/helm/v\d+) (?P<version>v\S+)", re.MULTILINE)
PROGRAM_NAMES = {"go.etcd.io/etcd/server/v3": "etcd", ".": "coredns"}
"""Packages whose last element is not the program's name."""
BUILD_TAGS = {"prometheus": "remove_all_sd"}
"""Module -> Go's build tags. Rules need no clients of clouds, which take longest to compile."""
FLAGS = ("-trimpath", "-buildvcs=false")


@dataclass(frozen=True)
class Module:
    """One folder with a go.mod: what is built of it, and how."""

    name: str
    folder: Path

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages to build: the module's `tool` lines, else its own."""
        text = (self.folder / "go.mod").read_text("utf-8")
        block = TOOL_BLOCK.search(text)
        tools = block[1].split() if block else TOOL_LINE.findall(text)
        return tuple(tools) or (".",)

    @property
    def programs(self) -> dict[str, str]:
        """Return the programs' names and the packages they are built from."""
        return {PROGRAM_NAMES.get(one, one.rsplit("/", 1)[-1]): one for one in self.packages}

    @property
    def linker_flags(self) -> str:
        """Return `-ldflags`: no symbols, and the versions that programs tell of themselves."""
        text = (self.folder / "go.mod").read_text("utf-8")
        stamps = [f"-X {name}={value}" for name, value in _stamps(text).items()]
        return " ".join(["-s", "-w", *stamps])

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of `go build`, the linker's apart."""
        tags = BUILD_TAGS.get(self.name)
        return (*FLAGS, f"-tags={tags}") if tags else FLAGS

    @property
    def key(self) -> str:
        """Return what decides whether a build can be used again, as 16 hex digits."""
        digest = hashlib.sha256()
        inputs = sorted([*self.folder.glob("go.*"), *self.folder.glob("*.go")])
        for path in inputs:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        digest.update(repr((self.flags, self.linker_flags, platform.system())).encode())
        digest.update(platform.machine().encode())
        return digest.hexdigest()[:16]

    @property
    def built(self) -> Path:
        """Return the folder of the finished programs, whether they are there or not."""
        return places.binaries() / f"{self.name}-{self.key}"


def _stamps(text: str) -> dict[str, str]:
    """Return the variables that a release build sets; without them a node says v0.0.0."""
    stamps = {}
    for match in HELM.finditer(text):
        stamps[f"{match['path']}/internal/version.version"] = match["version"]
    prometheus = PROMETHEUS.search(text)
    if prometheus is not None:
        stamps["github.com/prometheus/common/version.Version"] = ".".join(prometheus.groups())
    kubernetes = KUBERNETES.search(text)
    if kubernetes is not None:
        values = {
            "gitVersion": f"v{kubernetes['text']}",
            "gitMajor": kubernetes["major"],
            "gitMinor": kubernetes["minor"],
            "gitTreeState": "clean",
        }
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            stamps |= {f"{package}.{key}": value for key, value in values.items()}
    return stamps


def module(name: str) -> Module:
    """Return a module by the name of its folder."""
    return Module(name, places.MODULES / name)


def programs(name: str, *wanted: str) -> dict[str, Path]:
    """Return programs of a module by name, building those that are not there.

    Args:
        name: of the module.
        wanted: the programs; all of the module when none is named.

    Raises:
        ClusterError: no Go is found, or a build fails.
    """
    source = module(name)
    found = {one: source.built / one for one in wanted or source.programs}
    if not all(path.exists() for path in found.values()):
        with _lock(source):  # another process may have built them when it is ours
            _build(source, [path for path in found.values() if not path.exists()])
    return found


def kubectl() -> Path:
    """Return kubectl: the one on PATH, else our own."""
    on_path = shutil.which("kubectl")
    return Path(on_path) if on_path else programs("kubernetes", "kubectl")["kubectl"]


@contextmanager
def _lock(wanted: Module) -> Iterator[None]:
    places.binaries().mkdir(parents=True, exist_ok=True)
    with (places.binaries() / f".{wanted.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # the kernel lets go of it when the process dies
        yield


def _build(source: Module, wanted: list[Path]) -> None:
    if not wanted:
        return
    go = toolchain.find()
    source.built.mkdir(exist_ok=True)
    print(f"building {', '.join(path.name for path in wanted)}, once", file=sys.stderr, flush=True)
    began = time.monotonic()
    for path in wanted:
        unfinished = path.with_name(f".{path.name}")
        _go_build(go, source, source.programs[path.name], unfinished)
        unfinished.rename(path)
    seconds = time.monotonic() - began
    print(f"built in {seconds:.0f} s, kept in {source.built}", file=sys.stderr, flush=True)


def _go_build(go: Path, wanted: Module, package: str, output: Path) -> None:
    environment = places.variables() | {"CGO_ENABLED": "0", "GOFLAGS": "-p=2", "GOWORK": "off"}
    command = ["nice", "-n", "19", str(go), "build", *wanted.flags]
    done = subprocess.run(
        [*command, "-ldflags", wanted.linker_flags, "-o", str(output), package],
        cwd=wanted.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise ClusterError(f"go build {package} failed in {wanted.folder}:\n{tail}")
