"""`hack.style_stats`: what counts as a single importer, a gerund, a repeated stem, a comment."""

from __future__ import annotations

import pytest
from hack import style_stats
from hack.style_stats import Module

NOTHING: frozenset[str] = frozenset()


def single(*found: Module, exempt: frozenset[str] = NOTHING) -> list[str]:
    return style_stats.single_importers(found, exempt=exempt)[0]


def test_a_module_that_one_other_imports_is_a_single_importer():
    found = [
        Module("app.one", "from app.used import thing\n"),
        Module("app.used", ""),
        Module("app.two", "import app.shared\n"),
        Module("app.three", "from app import shared\n"),
        Module("app.shared", ""),
        Module("app", "", is_package=True),
    ]

    assert single(*found) == ["app.used"]
    assert style_stats.single_importers(found, exempt=NOTHING)[1] == 5


def test_an_import_within_a_function_counts():
    found = [Module("app.one", "def late():\n    from app import used\n"), Module("app.used", "")]

    assert single(*found) == ["app.used"]


def test_a_name_that_a_package_passes_on_is_an_import_of_where_it_comes_from():
    package = Module("app.part", "from app.part.core import Thing\n", is_package=True)
    core = Module("app.part.core", "")
    users = [Module(f"app.{name}", "from app.part import Thing\n") for name in ("one", "two")]

    assert single(package, core, users[0]) == ["app.part.core"]
    assert single(package, core, *users) == []


def test_a_package_that_passes_a_name_on_is_no_importer():
    package = Module("app.part", "from app.part.core import Thing\n", is_package=True)

    assert single(package, Module("app.part.core", "")) == []


def test_entry_points_and_commands_are_not_counted():
    used = ["app.main", "app.__main__", "cryptosource_cli.commands.replay"]
    user = Module("app.one", "".join(f"import {name}\n" for name in used))
    found = [user, *(Module(name, "") for name in used)]

    assert style_stats.single_importers(found, exempt=frozenset({"app.main"})) == ([], 1)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("app.reading", True),
        ("app.reading_pages", True),
        ("app.replay_judging", True),
        ("app.drawing", True),
        ("app.ring", False),
        ("app.strings", False),
        ("app.reading.page", False),
    ],
)
def test_a_gerund_is_a_word_in_ing_of_the_own_name(name: str, is_one: bool):
    assert style_stats.gerunds([Module(name, "")]) == ([name] if is_one else [])


def test_a_stem_that_is_used_twice_in_a_package_needs_a_meaning():
    found = [Module(name, "") for name in ("app.a.forms", "app.b.forms", "other.forms", "app.a")]
    found.append(Module("app.b.a", "", is_package=True))

    assert style_stats.repeated_stems(found, {}) == {
        "app: a": ["app.a", "app.b.a"],
        "app: forms": ["app.a.forms", "app.b.forms"],
    }
    assert list(style_stats.repeated_stems(found, {"forms": "what a person fills in"})) == [
        "app: a"
    ]


def test_a_meaning_of_what_is_not_repeated_is_idle():
    found = [Module(name, "") for name in ("app.a.forms", "app.b.forms", "app.runs", "b.runs")]

    assert style_stats.idle_meanings(found, {"forms": "", "runs": "", "gone": ""}) == [
        "gone",
        "runs",
    ]


def test_comments_are_told_from_code_docstrings_and_directives():
    source = '''\
"""A docstring # of
two lines."""

# Why, in
# two lines.
LIMIT = 3  # of what
"""A docstring of a constant."""
import os  # noqa: F401
TEXT = """a
# text"""
'''

    assert style_stats.comment_lines(source) == (3, 4)


def test_a_band_that_is_left_is_named_with_what_leaves_it(capsys: pytest.CaptureFixture[str]):
    found = [Module("app.reading", "from app.used import x\n"), Module("app.used", "x = 1\n")]

    complaints = style_stats.name_complaints(found, exempt=NOTHING)

    assert complaints[:3] == [
        "single importers: 50.0 %, at most 25 %: app.used",
        "gerunds: 50.0 %, at most 10 %: app.reading",
        "comments: 0.0 for 100 lines, at least 3",
    ]
    assert "gerunds: 1 of 2 names, 50.0 %, at most 10 %" in capsys.readouterr().out


def test_entry_points_are_those_of_the_project():
    assert style_stats.entry_points() == {"cryptosource_cli.main"}
