"""The program that an image's own Python runs to check itself, and how its findings are read."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hack.images.recipes import Recipe

PROGRAM = """
import importlib, importlib.metadata, json, os, sys
problems = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except Exception as error:
        problems[name] = f"{type(error).__name__}: {error}"
names = sorted({one.metadata["Name"].lower() for one in importlib.metadata.distributions()})
print(json.dumps({"problems": problems, "installed": names, "user": os.getuid()}))
"""


def command(recipe: Recipe) -> list[str]:
    """Return the command that reports on an image from within."""
    return ["python3", "-c", PROGRAM, json.dumps(recipe.modules)]


def complaints(recipe: Recipe, report: str, *, user: int) -> list[str]:
    """Return what is wrong with an image, one line for each.

    Args:
        recipe: the image.
        report: what `command` printed in it.
        user: the id it must have run as.
    """
    found = json.loads(report)
    lines = [f"{name} cannot be imported: {why}" for name, why in found["problems"].items()]
    lines += _strangers(recipe, found["installed"])
    if found["user"] != user:
        lines.append(f"it runs as user {found['user']}, not {user}")
    return lines


def _strangers(recipe: Recipe, installed: Iterable[str]) -> list[str]:
    present = sorted(recipe.forbidden & set(installed))
    return [f"{name} belongs to another image" for name in present]
