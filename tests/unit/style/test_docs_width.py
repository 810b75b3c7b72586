"""`hack.docs_width`: prose is filled up to the width, and all else stays as it is."""

from __future__ import annotations

import pytest
from hack.docs_width import wrapped

WIDTH = 20


def test_a_paragraph_with_a_line_beyond_the_width_is_filled_anew():
    assert wrapped("one two three four five\nsix seven\n\nnext\n", WIDTH) == (
        "one two three four\nfive six seven\n\nnext\n"
    )


def test_a_paragraph_that_fits_keeps_its_lines():
    text = "one\ntwo three\n"

    assert wrapped(text, WIDTH) == text


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ a command that is longer than the width\n```\n",
        "| a table with | longer rows than that |\n",
        "# A heading that is longer than the width\n",
        "text\n\n    indented code that is longer than that\n",
        "[name]: https://example.org/that/is/longer\n",
        "[a link of words](https://example.org/longer)\n",
        "`a span of code that is longer`\n",
        "<!-- a comment that is longer than that -->\n",
    ],
)
def test_what_cannot_be_broken_stays(text: str):
    assert wrapped(text, WIDTH) == text


@pytest.mark.parametrize("marker", ["- ", "12. ", "* "])
def test_an_item_of_a_list_is_continued_below_its_text(marker: str):
    hanging = " " * len(marker)

    assert wrapped(f"{marker}one two three fourth five\n{marker}six\n", WIDTH) == (
        f"{marker}one two three\n{hanging}fourth five\n{marker}six\n"
    )


def test_an_item_within_an_item_keeps_its_place():
    assert wrapped("- a\n  - one two three four\n", WIDTH) == "- a\n  - one two three\n    four\n"


def test_a_line_break_that_was_asked_for_stays():
    assert wrapped("one two three four five  \nsix\n", WIDTH) == (
        "one two three four\nfive  \nsix\n"
    )


@pytest.mark.parametrize("word", ["-", "+", "1.", "#", ">", "|"])
def test_no_line_begins_with_what_would_read_as_a_marker(word: str):
    lines = wrapped(f"one two three four {word} five six seven\n", WIDTH).split("\n")

    assert not any(line.startswith(word) for line in lines)
    assert " ".join(lines).split() == f"one two three four {word} five six seven".split()


def test_code_and_links_within_a_line_are_not_torn():
    assert wrapped("see [a b](x) and `c d e f` or so\n", WIDTH) == (
        "see [a b](x) and\n`c d e f` or so\n"
    )


def test_a_fence_within_a_fence_is_code():
    text = "~~~\n```\nlonger than the width of the page\n~~~\n"

    assert wrapped(text, WIDTH) == text
