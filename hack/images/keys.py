"""What an image is made of, as a key: the same contents are built once, others get another tag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hack.cluster.kind import engine_runs
from hack.images.engines import LEFT_OUT, PUBLIC_BASE, SUITE
from hack.images.recipes import RECIPES, REPOSITORY, USER_ID, Recipe


def key(recipe: Recipe) -> str:
    """Return what decides whether a build can be used again, as 12 hex digits.

    Images of one folder and one base have the same key, so that one tag names all of them.
    """
    base = PUBLIC_BASE if engine_runs() else (SUITE, LEFT_OUT, recipe.packages)
    digest = hashlib.sha256(repr(base).encode())
    for path in context(recipe.folder):
        digest.update(str(path.relative_to(recipe.folder)).encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def context(folder: Path) -> Iterator[Path]:
    """Yield the files that a build in a folder sees, and those that say how it is done."""
    ignored = folder / ".dockerignore"
    parts = [folder]
    if ignored.exists():
        lines = ignored.read_text("utf-8").splitlines()
        parts = [folder / line.removeprefix("!") for line in lines if line.startswith("!")]
        parts += [folder / "Dockerfile", ignored]
    for part in sorted(parts):
        for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if path.is_file() and path.suffix != ".pyc":
                yield path


def tag(recipe: Recipe) -> str:
    """Return the tag of an image that is built of the tree as it is."""
    return f"dev-{key(recipe)}"


def chart_values() -> dict[str, Any]:
    """Return the chart's values that name the images of the tree as it is."""
    postgres = RECIPES["postgres"]
    development = {"image": postgres.reference(tag(postgres)), "userId": USER_ID}
    return {
        "image": {"repository": REPOSITORY, "tag": tag(RECIPES["etl"])},
        "database": {"development": development},
    }
