"""docs/README.md: every page is in one of the four kinds, once; docs/glossary.md is in order."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
INDEX = (DOCS / "README.md").read_text("utf-8")
KINDS = ["Guide", "How to", "Reference", "Why"]
_LINK = re.compile(r"\]\(([\w/.-]+\.md)\)")
_TERM = re.compile(r"^\*\*(.+?)\*\*: ", re.MULTILINE)


def pages() -> list[str]:
    """Return the pages that the index leads to; the reference's own index leads to the others."""
    found = [*DOCS.glob("*.md"), *DOCS.glob("adr/*.md"), DOCS / "reference" / "README.md"]
    return sorted(str(page.relative_to(DOCS)) for page in found if page != DOCS / "README.md")


def test_the_index_has_four_kinds():
    assert re.findall(r"^## (.+)$", INDEX, re.MULTILINE) == KINDS


def test_every_page_is_in_the_index_once():
    assert sorted(_LINK.findall(INDEX)) == pages()


def test_every_term_of_the_glossary_is_there_once_and_in_order():
    terms = _TERM.findall((DOCS / "glossary.md").read_text("utf-8"))

    assert len(terms) > 50
    assert terms == sorted(set(terms))


def test_a_term_is_a_sentence_or_two():
    text = (DOCS / "glossary.md").read_text("utf-8")
    entries = [entry for entry in text.split("\n\n") if _TERM.match(entry)]

    assert [entry for entry in entries if len(entry) > 420] == []
