"""`hack.release`: a tag is released when project, chart and changelog are of its version."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from hack import release
from hack.release import NotReleasable

FILES = ("pyproject.toml", "charts/cryptosource/Chart.yaml", "charts/cryptosource/values.yaml")
VERSION = re.compile(r'^((?:version|appVersion)(?:: | = "))[^"\n]+', re.MULTILINE)
CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3-rc.1] - 2026-12-01

### Added
- A thing, see [docs/thing.md](docs/thing.md) and [that](https://example.org/).

## [1.2.2] - 2026-11-01
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a checkout that is ready to be released as 1.2.3-rc.1."""
    for name in FILES:
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.ROOT / name, copy)
        text = VERSION.sub(r"\g<1>1.2.3-rc.1", copy.read_text("utf-8"))
        copy.write_text(text, "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    return tmp_path


def test_a_tree_of_the_tags_version_is_released(tree: Path):
    assert release.check("v1.2.3-rc.1", root=tree) == "1.2.3-rc.1"


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3+build", "v1.2.3-", "nightly"])
def test_a_tag_that_is_no_version_is_refused(tree: Path, tag: str):
    with pytest.raises(NotReleasable, match="no tag of a release"):
        release.check(tag, root=tree)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pyproject.toml", 'version = "1.2.3-rc.1"'),
        ("charts/cryptosource/Chart.yaml", "\nversion: 1.2.3-rc.1"),
        ("charts/cryptosource/Chart.yaml", "appVersion: 1.2.3-rc.1"),
    ],
)
def test_a_file_of_another_version_is_named(tree: Path, name: str, line: str):
    changed = tree / name
    text = changed.read_text("utf-8")
    assert line in text
    changed.write_text(text.replace(line, line.replace("1.2.3-rc.1", "1.2.4")), "utf-8")

    with pytest.raises(NotReleasable, match=rf"^{Path(name).name}, \w+ is 1\.2\.4, not 1\.2\.3-rc"):
        release.check("v1.2.3-rc.1", root=tree)


def test_notes_are_the_section_of_the_version_alone(tree: Path):
    expected = (
        "### Added\n- A thing, see [docs/thing.md](docs/thing.md) and [that](https://example.org/)."
    )

    assert release.notes("1.2.3-rc.1", root=tree) == expected


def test_links_of_notes_lead_to_the_tree_of_the_tag(tree: Path):
    notes = release.notes("1.2.3-rc.1", base="https://git.example/tree/", root=tree)

    assert "[docs/thing.md](https://git.example/tree/docs/thing.md)" in notes
    assert "[that](https://example.org/)" in notes


@pytest.mark.parametrize("version", ["1.2.2", "2.0.0"])
def test_a_version_of_which_the_changelog_says_nothing_is_refused(tree: Path, version: str):
    with pytest.raises(NotReleasable, match=r"CHANGELOG\.md has no section"):
        release.notes(version, root=tree)


def test_the_released_chart_names_the_published_images_and_differs_in_nothing_else(tmp_path: Path):
    copy = release.release_chart("registry.example/crypto", tmp_path)

    before = yaml.safe_load((release.ROOT / release.CHART / "values.yaml").read_text("utf-8"))
    after = yaml.safe_load((copy / "values.yaml").read_text("utf-8"))
    assert after == before | {"image": before["image"] | {"repository": "registry.example/crypto"}}
    assert (copy / "Chart.yaml").exists()
