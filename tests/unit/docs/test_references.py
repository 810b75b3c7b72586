"""What documentation and docstrings name of this repository is there: files, modules, classes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HISTORY = {"CHANGELOG.md"}
"""Says what was."""
CODE = ("api", "cli", "crds", "etl_job", "hack", "migrations", "operator", "telemetry")
_FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|yaml|md|lua|toml|sql|js))`")
_PAGE = re.compile(r"\b(docs/[\w/-]+\.md|adr/\d{4}(?:-[\w-]+)?)")
_DOTTED = re.compile(r"`(?:~?)(cryptosource_\w+(?:\.\w+)+)`")
_MEMBER = re.compile(r"`([a-z_]+|[A-Z]\w*[a-z]\w*)\.(_?[A-Z]\w+|_\w+)`")
_FAULT = re.compile(r"docs/faults\.md, ((?:F\d+(?:, | and | to )?)+)")


@cache
def files() -> tuple[str, ...]:
    """Return every file that git knows or would take, as paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(name for name in listed.stdout.splitlines() if (ROOT / name).exists())


@cache
def sources() -> dict[str, str]:
    """Return the text of our modules by dotted name."""
    found = {}
    for name in files():
        top, _, rest = name.partition("/")
        if name.endswith(".py") and top in CODE:
            dotted = rest.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            found[dotted] = (ROOT / name).read_text("utf-8")
    return found


def texts() -> Iterator[str]:
    """Yield the pages and modules whose words are looked at."""
    for name in files():
        if (name.endswith(".md") and name not in HISTORY and "docs/reference/" not in name) or (
            name.endswith(".py") and name.partition("/")[0] in CODE
        ):
            yield name


def absent(text: str) -> list[str]:
    """Return what a text names of this repository and is not there."""
    missing = [name for name in _FILE.findall(text) if not _is_file(name)]
    missing += [name for name in _PAGE.findall(text) if not _is_page(name)]
    missing += [name for name in _DOTTED.findall(text) if not _is_dotted(name)]
    missing += [
        f"{owner}.{member}" for owner, member in _MEMBER.findall(text) if not _has(owner, member)
    ]
    return missing


def _is_file(name: str) -> bool:
    return any(one == name or one.endswith(f"/{name}") for one in files())


def _is_page(name: str) -> bool:
    wanted = name if name.startswith("docs/") else f"docs/{name}"
    return any(one == wanted or one.startswith((f"{wanted}-", f"{wanted}.md")) for one in files())


def _is_dotted(name: str) -> bool:
    """Return whether a name is a module of ours or is defined in one."""
    owner, _, last = name.rpartition(".")
    if name in sources():
        return True
    return owner in sources() and _defines(sources()[owner], last)


def _has(owner: str, member: str) -> bool:
    """Return whether a module of that stem, or a class of that name, has the member."""
    if owner[0].islower():
        found = [text for name, text in sources().items() if name.split(".")[-1] == owner]
    else:
        found = [text for text in sources().values() if re.search(rf"\bclass {owner}\b", text)]
        if not found:  # a class of a library, or a field of the resource
            return True
    return any(_defines(text, member) for text in found)


def _defines(text: str, name: str) -> bool:
    return (
        re.search(rf"(?:def|class) {name}\b|\b{name}\b[^\n=(]*=|import .*\b{name}\b", text)
        is not None
    )


@pytest.mark.parametrize("name", list(texts()))
def test_what_a_text_names_of_this_repository_is_there(name: str):
    assert absent((ROOT / name).read_text("utf-8")) == []


def test_what_is_not_there_is_found():
    text = (
        "`gone.py` `records.Gone` `RunError._gone` `cryptosource_etl.gone` docs/gone.md adr/0999 "
        "`errors.py` `records.Rejection` `cryptosource_etl.errors` `cryptosource_etl.errors.RunError`"
    )

    assert absent(text) == [
        "gone.py",
        "docs/gone.md",
        "adr/0999",
        "cryptosource_etl.gone",
        "records.Gone",
        "RunError._gone",
    ]


def test_a_fault_that_code_cites_has_a_row():
    rows = set(
        re.findall(r"^\| (F\d+) \|", (ROOT / "docs/faults.md").read_text("utf-8"), re.MULTILINE)
    )
    python = [name for name in files() if name.endswith(".py")]
    text = "\n".join((ROOT / name).read_text("utf-8") for name in python)
    cited = {one for group in _FAULT.findall(text) for one in re.findall(r"F\d+", group)}

    assert len(cited) > 5
    assert cited <= rows
