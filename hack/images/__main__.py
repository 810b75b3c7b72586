"""`python3 -m hack.images`: build the images, check them, load them into the cluster."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from hack.cluster import choosing, places
from hack.cluster.errors import ClusterError
from hack.cluster.kind import engine_runs
from hack.images import checking
from hack.images.engines import Engine, available
from hack.images.recipes import RECIPES, USER_ID, Recipe


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m hack.images", description=__doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--tag", default="dev")
    parser.add_argument("--output", type=Path, help="folder for IMAGE.tar; default: in the cache")
    parser.add_argument("--load", action="store_true", help="into the cluster that runs")
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


def make(engine: Engine, recipe: Recipe, options: argparse.Namespace, folder: Path) -> Path:
    """Build, check and save one image; return its archive.

    Raises:
        ClusterError: it does not build, or is not as it must be.
    """
    began = time.monotonic()
    engine.build(recipe, options.tag, bundle=options.ca_bundle)
    reference, archive = recipe.reference(options.tag), folder / f"{recipe.name}.tar"
    engine.run(reference, recipe.started)
    if recipe.modules:
        report = engine.run(reference, checking.command(recipe))
        wrong = checking.complaints(recipe, report, user=USER_ID)
        if wrong:
            raise ClusterError(f"{reference} is not as it must be:\n" + "\n".join(wrong))
    engine.save(reference, archive)
    seconds, megabytes = time.monotonic() - began, archive.stat().st_size / 1e6
    print(f"{reference}  {megabytes:.0f} MB  {seconds:.1f} s  {archive}", flush=True)
    return archive


def _enter_namespace() -> None:
    """Start again with mounts of our own: those of buildah end with us, however we end."""
    again = [sys.executable, "-m", "hack.images", "--in-namespace", *sys.argv[1:]]
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "slave", *again])  # noqa: S606


def main() -> int:
    """Run the command line; return the exit code."""
    options = _options()
    if not options.in_namespace and not engine_runs() and sys.platform == "linux":
        _enter_namespace()
    folder = options.output or places.cache() / "images" / "archives"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        engine = available()
        for name in options.images or RECIPES:
            archive = make(engine, RECIPES[name], options, folder)
            if options.load:
                choosing.selected().load(archive)
    except ClusterError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
