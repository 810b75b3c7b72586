"""`python3 -m hack.images`: build the images that changed, check them, load them into the cluster."""

from __future__ import annotations

import argparse
import fcntl
import functools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.cluster import choosing, places
from hack.cluster.errors import ClusterError
from hack.cluster.kind import engine_runs
from hack.images import checking, keys
from hack.images.engines import Engine, available
from hack.images.recipes import RECIPES, USER_ID, Recipe

KEPT = 3
"""Archives of one image that stay: other work trees use theirs again."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m hack.images", description=__doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--tag", help="default: dev- and a hash of what the image is made of")
    parser.add_argument("--output", type=Path, help="folder for the archives; default: the cache")
    parser.add_argument("--force", action="store_true", help="build what has not changed, too")
    parser.add_argument(
        "--load",
        nargs="?",
        const="always",
        choices=["always", "if-running"],
        help="into the cluster that runs",
    )
    parser.add_argument(
        "--chart-values", action="store_true", help="print the values that name these images"
    )
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    bundle = places.variable("SSL_CERT_FILE")
    parser.add_argument(
        "--ca-bundle",
        type=Path,
        default=Path(bundle) if bundle else None,
        help="certificates that the build trusts and the image does not hold; "
        "default: SSL_CERT_FILE",
    )
    options = parser.parse_args()
    unknown = set(options.images) - set(RECIPES)
    if unknown:
        parser.error(f"there is no image {', '.join(sorted(unknown))}; there are {list(RECIPES)}")
    return options


def _archive(recipe: Recipe, options: argparse.Namespace) -> Path:
    folder: Path = options.output or places.cache() / "images" / "archives"
    return folder / f"{recipe.name}-{_tag(recipe, options)}.tar"


def _tag(recipe: Recipe, options: argparse.Namespace) -> str:
    return options.tag or _tag_at_start(recipe)


@functools.cache
def _tag_at_start(recipe: Recipe) -> str:
    """Return the tag of the tree as it was: an edit meanwhile is for the next build."""
    return keys.tag(recipe)


def _to_build(recipes: Iterable[Recipe], options: argparse.Namespace) -> list[Recipe]:
    """Return what is not there; a tag of one's own tells nothing of the contents."""
    known = not options.force and options.tag is None
    return [one for one in recipes if not (known and _archive(one, options).exists())]


def make(engine: Engine, recipe: Recipe, options: argparse.Namespace) -> None:
    """Build, check and save one image.

    Raises:
        ClusterError: it does not build, or is not as it must be.
    """
    began = time.monotonic()
    tag, archive = _tag(recipe, options), _archive(recipe, options)
    reference = recipe.reference(tag)
    engine.build(recipe, tag, bundle=options.ca_bundle)
    engine.run(reference, recipe.started)
    if recipe.modules:
        report = engine.run(reference, checking.command(recipe))
        wrong = checking.complaints(recipe, report, user=USER_ID)
        if wrong:
            raise ClusterError(f"{reference} is not as it must be:\n" + "\n".join(wrong))
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(f".{archive.name}")
    engine.save(reference, unfinished)
    unfinished.replace(archive)
    _forget_old(engine, recipe, archive)
    seconds, megabytes = time.monotonic() - began, archive.stat().st_size / 1e6
    print(f"{reference}  {megabytes:.0f} MB  {seconds:.1f} s  {archive}", flush=True)


def _forget_old(engine: Engine, recipe: Recipe, newest: Path) -> None:
    """Keep the cache bounded: a tree that changes makes image after image."""
    found = newest.parent.glob(f"{recipe.name}-dev-*.tar")
    by_age = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_age[KEPT:]:
        engine.forget(recipe.reference(path.stem.removeprefix(f"{recipe.name}-")))
        path.unlink(missing_ok=True)


def _load(recipes: Iterable[Recipe], options: argparse.Namespace) -> None:
    """Load what the cluster does not have.

    Raises:
        ClusterError: none runs, or it is not ours to load into.
    """
    cluster = choosing.selected()
    if not cluster.running:
        if options.load == "always":
            raise ClusterError("no cluster runs; `make cluster-up` starts one")
        print("no cluster runs; nothing is loaded", flush=True)
        return
    for recipe in recipes:
        reference = recipe.reference(_tag(recipe, options))
        if options.tag is None and cluster.has(reference):
            continue
        cluster.load(_archive(recipe, options))
        print(f"{reference}  loaded", flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold off other builds of this user: they would prune and write the same archives."""
    (places.cache() / "images").mkdir(parents=True, exist_ok=True)
    with (places.cache() / "images" / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _enter_namespace() -> None:
    """Start again with mounts of our own: those of buildah end with us, however we end."""
    again = [sys.executable, "-m", "hack.images", "--in-namespace", *sys.argv[1:]]
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "slave", *again])  # noqa: S606


def main() -> int:
    """Run the command line; return the exit code."""
    options = _options()
    if options.chart_values:
        print(json.dumps(keys.chart_values(), indent=1))
        return 0
    recipes = [RECIPES[name] for name in options.images or RECIPES]
    try:
        if _to_build(recipes, options):
            if not options.in_namespace and not engine_runs() and sys.platform == "linux":
                _enter_namespace()
            with _alone():
                _build(_to_build(recipes, options), options)
        if options.load:
            _load(recipes, options)
    except ClusterError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


def _build(recipes: Iterable[Recipe], options: argparse.Namespace) -> None:
    engine = available()
    for recipe in recipes:
        make(engine, recipe, options)


if __name__ == "__main__":
    sys.exit(main())
