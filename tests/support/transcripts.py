"""The commands of a Markdown page, and what it shows that they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$|^## ([^\n]+)$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'(\w+)'")


@dataclass(frozen=True)
class Step:
    """A command with the text that follows it in its block."""

    section: str
    command: str
    shown: str

    def prints(self, text: str) -> bool:
        """Whether the text is what is shown; `…` stands for anything, within a line or alone on it.

        How many spaces there are does not count: columns are as wide as what is in them.
        """
        parts = (re.escape(part) for part in _narrow(self.shown).split("…"))
        return re.fullmatch(".*".join(parts), _narrow(text), re.DOTALL) is not None


def steps(page: Path) -> Iterator[Step]:
    """Yield every command of the page's console blocks, in order."""
    section = ""
    for block, heading in _BLOCK.findall(page.read_text("utf-8")):
        section = heading or section
        lines = iter(block.splitlines())
        command: list[str] = []
        shown: list[str] = []
        for line in lines:
            if line.startswith("$ "):
                if command:
                    yield Step(section, "\n".join(command), "\n".join(shown))
                command, shown = [line.removeprefix("$ ")], []
                if ends := _HEREDOC.search(line):
                    command.extend(_until(lines, ends[1]))
            else:
                shown.append(line)
        if command:
            yield Step(section, "\n".join(command), "\n".join(shown))


def _until(lines: Iterator[str], last: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line == last:
            return


def _narrow(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
