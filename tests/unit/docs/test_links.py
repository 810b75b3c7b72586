"""Every relative link of the documentation leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_ELSEWHERE = re.compile(r"[a-z]+:")


def pages() -> list[Path]:
    """Return every page of Markdown that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = (ROOT / name for name in sorted(set(listed.stdout.splitlines())))
    return [page for page in found if page.exists()]


def anchors(text: str) -> set[str]:
    """Return what the headings of a page are linked by, as GitHub makes it."""
    headings = (heading.lower() for heading in _HEADING.findall(_BLOCK.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def broken(page: Path, *, root: Path = ROOT) -> list[str]:
    """Return the links of a page that lead nowhere in this tree."""
    text = _CODE.sub("", _BLOCK.sub("", page.read_text("utf-8")))
    links = (link for link in _LINK.findall(text) if not _ELSEWHERE.match(link))
    return [link for link in links if not _leads_somewhere(page, link, root)]


def _leads_somewhere(page: Path, link: str, root: Path) -> bool:
    target, _, anchor = link.partition("#")
    linked = (page.parent / target).resolve() if target else page
    if not linked.is_relative_to(root) or not linked.exists():
        return False
    return not anchor or linked.suffix != ".md" or anchor in anchors(linked.read_text("utf-8"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    assert broken(page) == []


def test_a_link_to_nothing_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    links = "[a](gone.md) [b](#there) [c](#away) [d](https://x.test) `[e](e.md)` [f](../f.md)"
    page.write_text(f"{links}\n# There\n")

    assert broken(page, root=tmp_path) == ["gone.md", "#away", "../f.md"]


def test_the_readme_names_every_page_of_the_docs():
    text = (ROOT / "README.md").read_text("utf-8")

    assert [page.name for page in ROOT.glob("docs/*.md") if f"(docs/{page.name})" not in text] == []


def test_the_readme_begins_with_the_two_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^\$ (.+)$", text, re.MULTILINE)

    assert commands[0] == "make demo"
    assert commands.index("make test") < 4
