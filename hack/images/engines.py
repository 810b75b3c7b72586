"""The two builders: Docker, and buildah where no engine runs."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from hack.cluster import packages, places
from hack.cluster.errors import ClusterError
from hack.cluster.kind import engine_runs
from hack.images.recipes import USER_ID, Recipe

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE")
"""For pip, and for uv."""
PUBLIC_BASE = "python:3.12-slim"
BUILD_BASE = "localhost/cryptosource/build-base:latest"
SUITE = "bookworm"
BROKEN = re.compile(r'image with ID "([0-9a-f]{64})" \(consider removing the image')
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class Engine(Protocol):
    """Builds images and runs them once."""

    def build(self, recipe: Recipe, tag: str, *, bundle: Path | None) -> None:
        """Build an image; `bundle` holds certificates that only the build trusts."""

    def save(self, reference: str, archive: Path) -> None:
        """Write an image into a file in Docker's format."""

    def run(self, reference: str, command: Sequence[str]) -> str:
        """Run a command with a read-only root as USER_ID and return what it printed."""

    def forget(self, reference: str) -> None:
        """Remove an image; it may be gone already."""


class Docker:
    """A running Docker engine."""

    def build(self, recipe: Recipe, tag: str, *, bundle: Path | None) -> None:
        """Build an image, from public bases."""
        options = ["--target", recipe.name, "--tag", recipe.reference(tag)]
        if bundle is not None:
            with trusting(PUBLIC_BASE, bundle) as folder:
                execute("docker", "build", "--tag", BUILD_BASE, folder)
            options += ["--build-arg", f"BUILD_IMAGE={BUILD_BASE}"]
        execute("docker", "build", *options, str(recipe.folder))

    def save(self, reference: str, archive: Path) -> None:
        """Write an image into a file."""
        execute("docker", "save", "--output", str(archive), reference)

    def run(self, reference: str, command: Sequence[str]) -> str:
        """Run a command in a container that is gone afterwards."""
        program, *arguments = command
        options = ["--rm", "--read-only", "--network=none", "--user", f"{USER_ID}:{USER_ID}"]
        return execute("docker", "run", *options, "--entrypoint", program, reference, *arguments)

    def forget(self, reference: str) -> None:
        """Remove an image; it may be gone already, or in use."""
        with suppress(ClusterError):
            execute("docker", "image", "rm", reference)


class Buildah:
    """buildah with storage of its own below the cache, and a base made from Debian packages."""

    def __init__(self) -> None:
        packages.ensure(packages.FOR_IMAGES)
        self._home = places.cache() / "images"
        self._home.mkdir(parents=True, exist_ok=True)
        # What is mounted now, as against what is stored, is known to this process alone.
        self._held = tempfile.TemporaryDirectory(prefix="running-", dir=self._home)
        self._running = Path(self._held.name)

    def build(self, recipe: Recipe, tag: str, *, bundle: Path | None) -> None:
        """Build an image upon a Debian of the recipe's packages."""
        base = self._base(recipe)
        options = ["--network", "host", "--layers", "--target", recipe.name]
        options += ["--build-arg", f"BASE_IMAGE={base}"]
        if bundle is not None:
            with trusting(base, bundle) as folder:
                self._buildah("bud", "--layers", "--tag", BUILD_BASE, folder)
            options += ["--build-arg", f"BUILD_IMAGE={BUILD_BASE}"]
        self._buildah("bud", *options, "--tag", recipe.reference(tag), str(recipe.folder))

    def _base(self, recipe: Recipe) -> str:
        key = hashlib.sha256(repr((SUITE, LEFT_OUT, recipe.packages)).encode()).hexdigest()[:12]
        name = f"localhost/cryptosource/base-{key}:latest"
        if name in self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            return name
        with tempfile.TemporaryDirectory(dir=self._home) as folder:
            options = [f"--include={','.join(recipe.packages)}"]
            options += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
            archive = Path(folder) / "rootfs.tar"
            execute("mmdebstrap", "--quiet", "--variant=minbase", *options, SUITE, str(archive))
            (Path(folder) / "Dockerfile").write_text("FROM scratch\nADD rootfs.tar /\n")
            self._buildah("bud", "--tag", name, folder)
        return name

    def save(self, reference: str, archive: Path) -> None:
        """Write an image into a file."""
        archive.unlink(missing_ok=True)
        self._buildah("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")

    def run(self, reference: str, command: Sequence[str]) -> str:
        """Run a command in the image's file system, mounted read-only, as USER_ID."""
        container = self._buildah("from", reference).strip()
        try:
            root = self._buildah("mount", container).strip()
            return execute(
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
                *("sh", "-euc", READ_ONLY_ROOT, root, str(USER_ID), *command),
            )
        finally:
            self._buildah("rm", container)

    def forget(self, reference: str) -> None:
        """Remove an image; it may be gone already."""
        with suppress(ClusterError):
            self._buildah("rmi", reference)

    def _buildah(self, *arguments: str) -> str:
        options = ["--root", str(self._home / "storage"), "--runroot", str(self._running)]
        first, *rest = arguments
        # crun, Debian's default, refuses a machine with both generations of control groups.
        runtime = ["--runtime", "runc"] if first == "bud" else []
        command = ("buildah", *options, first, *runtime, *rest)
        try:
            return execute(*command)
        except ClusterError as error:
            broken = BROKEN.search(str(error))
            if broken is None:
                raise
            # A build that was killed left half an image, and every build after it stumbles on it.
            execute("buildah", *options, "rmi", "--force", broken[1])
            return self._buildah(*arguments)


READ_ONLY_ROOT = """
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount --bind /dev "$0/dev"
mount -o remount,bind,ro "$0"
user=$1; shift
exec chroot --userspec="$user:$user" "$0" /usr/bin/env -i \
  HOME=/tmp PYTHONDONTWRITEBYTECODE=1 \
  PATH=/opt/cryptosource/bin:/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin "$@"
"""


@contextmanager
def trusting(base: str, bundle: Path) -> Iterator[str]:
    """Yield the folder of an image for builds alone: a base that trusts further certificates.

    So the images that come of the build hold none of them.
    """
    variables = " ".join(f"{name}={BUNDLE}" for name in BUNDLE_VARIABLES)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bundle.crt").write_bytes(bundle.read_bytes())
        text = f"FROM {base}\nCOPY bundle.crt {BUNDLE}\nENV {variables}\n"
        (Path(folder) / "Dockerfile").write_text(text)
        yield folder


def available() -> Engine:
    """Return Docker where its engine runs, else buildah."""
    return Docker() if engine_runs() else Buildah()


def execute(*command: str) -> str:
    """Run a program and return what it printed.

    Raises:
        ClusterError: it failed; the message carries its last lines.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ClusterError(f"{' '.join(command[:4])}… failed:\n{tail}")
    return done.stdout
