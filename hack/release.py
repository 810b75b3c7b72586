"""`python3 -m hack.release`: what the release workflow needs to know of a version.

`check TAG` prints the version when project, chart and changelog agree on it. `notes VERSION BASE`
prints the changelog's section, its links led to below the address BASE. `chart REPOSITORY FOLDER` copies the chart with REPOSITORY as the default
of its images. The standard library alone: the workflow installs nothing for it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHART = Path("charts") / "cryptosource"
TAG = re.compile(r"v(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)")
"""A semantic version after a `v`. Build metadata is left out: an image's tag has no `+`."""
SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\].*$", re.MULTILINE)
LINK = re.compile(r"\]\((?![a-z]+:|#)")
"""What stands before the target of a link within the repository."""
DEFAULT_REPOSITORY = re.compile(r"^(image:\n(?:  .*\n)*?  repository: ).*$", re.MULTILINE)


class NotReleasable(Exception):
    """The tree is not what the tag says. The message says what to change."""


def check(tag: str, *, root: Path = ROOT) -> str:
    """Return the version that a tag names.

    Args:
        tag: as `v1.2.3` or `v1.2.3-rc.1`.
        root: the checkout.

    Raises:
        NotReleasable: the tag is no version, or a file of the tree is of another version.
    """
    match = TAG.fullmatch(tag)
    if match is None:
        raise NotReleasable(f"{tag} is no tag of a release: v1.2.3 or v1.2.3-rc.1")
    version = match[1]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = (root / CHART / "Chart.yaml").read_text("utf-8")
    named = {
        "pyproject.toml, version": project,
        "Chart.yaml, version": _value(chart, "version"),
        "Chart.yaml, appVersion": _value(chart, "appVersion"),
    }
    wrong = [f"{what} is {has}, not {version}" for what, has in named.items() if has != version]
    if wrong:
        raise NotReleasable("; ".join(wrong))
    notes(version, root=root)
    return version


def _value(chart: str, key: str) -> str | None:
    match = re.search(rf'^{key}: "?([^"\s]+)"?\s*$', chart, re.MULTILINE)
    return match[1] if match else None


def notes(version: str, *, base: str = "", root: Path = ROOT) -> str:
    """Return the changelog's section of a version, without its heading.

    Args:
        version: as the section's heading has it.
        base: what to put before the target of each relative link; it ends in a slash.
        root: the checkout.

    Raises:
        NotReleasable: there is no such section, or it is empty.
    """
    text = (root / "CHANGELOG.md").read_text("utf-8")
    sections = list(SECTION.finditer(text))
    for section, following in zip(sections, [*sections[1:], None], strict=True):
        if section["version"] == version:
            body = text[section.end() : following.start() if following else len(text)].strip()
            if body:
                return LINK.sub(f"]({base}", body)
    raise NotReleasable(f"CHANGELOG.md has no section [{version}] that says what has changed")


def release_chart(repository: str, folder: Path, *, root: Path = ROOT) -> Path:
    """Copy the chart, and have it name the images of a repository; return the copy.

    Args:
        repository: host and path of the images, without the part's name.
        folder: where the copy is put, under the chart's own name.
        root: the checkout.

    Raises:
        NotReleasable: the values have no single `image.repository`.
    """
    copy = folder / CHART.name
    shutil.copytree(root / CHART, copy)
    values = copy / "values.yaml"
    text, count = DEFAULT_REPOSITORY.subn(
        lambda match: match[1] + repository, values.read_text("utf-8")
    )
    if count != 1:
        raise NotReleasable(f"values.yaml has {count} image.repository, not one")
    values.write_text(text, "utf-8")
    return copy


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m hack.release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("tag")
    section = commands.add_parser("notes")
    section.add_argument("version")
    section.add_argument("base")
    chart = commands.add_parser("chart")
    chart.add_argument("repository")
    chart.add_argument("folder", type=Path)
    return parser.parse_args()


def main() -> int:
    """Run the command line; return the exit code."""
    options = _options()
    try:
        if options.command == "check":
            print(check(options.tag))
        elif options.command == "notes":
            print(notes(options.version, base=options.base))
        else:
            print(release_chart(options.repository, options.folder))
    except NotReleasable as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
