"""`python hack/docs_width.py [--write]`: lines of the documentation fit into 120 columns.

Prose that does not fit is listed, or wrapped by `--write`. Tables, code, headings and whatever has
no space to break at (a link, a code span) stay as they are. Generated pages are left to their
generators, and the changelog is a list of entries that are read one at a time.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 120
LEFT_OUT = re.compile(r"CHANGELOG\.md|docs/reference/|charts/cryptosource/README\.md")
FENCE = re.compile(r"\s*(```|~~~)")
KEPT = re.compile(r"\s*$|\s*\||#|<|\s*\[[^\]]+\]:|---|===")
"""Lines that are no prose: blank ones, tables, headings, HTML, definitions of links, rules."""
ITEM = re.compile(r"(\s*)([-*+]|\d+[.)])(\s+)")
QUOTE = re.compile(r"\s*>")
TOKEN = re.compile(r"(?:`[^`]+`|!?\[[^\]]*\]\([^)]*\)|\S)+")
"""What is not broken: a word, with the code spans and links that it holds."""
MARKER = re.compile(r"([-*+>]|#+|\d+[.)]|\|.*)$")
"""A word that would begin a list, a heading or a table at the start of a line."""


def pages() -> list[Path]:
    """Return the pages of Markdown that git knows or would take and that are held to the width."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = sorted(set(listed.stdout.splitlines()))
    return [ROOT / name for name in names if not LEFT_OUT.match(name) and (ROOT / name).exists()]


def blocks(lines: Sequence[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield the lines in groups: whether a group is prose, and its lines.

    A group of prose is a paragraph or an item of a list with what belongs to it.
    """
    prose: list[str] = []
    fence = ""
    after_blank = True
    for line in lines:
        opened = FENCE.match(line)
        if fence or opened:
            fence = ("" if opened and opened[1] == fence else fence) if fence else opened[1]
            if prose:
                yield True, prose
                prose = []
            yield False, [line]
            after_blank = False
            continue
        indented_code = after_blank and line.startswith("    ") and not ITEM.match(line)
        kept = bool(KEPT.match(line)) or bool(QUOTE.match(line)) or indented_code
        if prose and (kept or ITEM.match(line)):
            yield True, prose
            prose = []
        if kept:
            yield False, [line]
            after_blank = not line.strip() or indented_code
            continue
        prose.append(line)
        after_blank = False
        if line.endswith(("  ", "\\")):
            yield True, prose
            prose = []
    if prose:
        yield True, prose


def wrap(paragraph: Sequence[str], width: int = WIDTH) -> list[str]:
    """Return the lines of a paragraph or an item of a list, filled up to the width."""
    item = ITEM.match(paragraph[0])
    first = item[0] if item else " " * (len(paragraph[0]) - len(paragraph[0].lstrip()))
    following = " " * len(first)
    end = "  " if paragraph[-1].endswith("  ") else ""
    words = TOKEN.findall(" ".join([paragraph[0][len(first) :], *map(str.strip, paragraph[1:])]))
    wrapped: list[str] = []
    line = first + words[0]
    for word, after in pairwise([*words[1:], ""]):
        # A word that would read as a marker stays on the line of the one before it.
        last = after if MARKER.fullmatch(after) else ""
        needed = f"{line} {word} {last}".rstrip()
        if len(needed) > width and not MARKER.fullmatch(word):
            wrapped.append(line)
            line = following + word
        else:
            line = f"{line} {word}"
    return [*wrapped, line + end]


def wrapped(text: str, width: int = WIDTH) -> str:
    """Return a page whose paragraphs with lines beyond the width are wrapped."""
    lines: list[str] = []
    for is_prose, group in blocks(text.split("\n")):
        too_long = is_prose and any(len(line) > width for line in group)
        lines += wrap(group, width) if too_long else group
    return "\n".join(lines)


def main() -> int:
    """List the pages with lines that are too long, or wrap them; return 1 when some are listed."""
    complaints = 0
    for page in pages():
        text = page.read_text("utf-8")
        fitting = wrapped(text)
        if fitting == text:
            continue
        if "--write" in sys.argv:
            page.write_text(fitting, "utf-8")
            continue
        complaints += 1
        name = page.relative_to(ROOT)
        print(f"{name}: lines beyond {WIDTH} columns; python hack/docs_width.py --write wraps them")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
