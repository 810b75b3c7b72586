"""The scope of a vendor's cursor: the question (URL and selection) it was made under.

A cursor is dropped when the spec's URL or selection has changed. Resuming in the middle would leave
coins out, and the validators of the old response would make the upstream answer 304.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cryptosource_etl.records import Cursor, Page, digest_of

FIELD = "question"


def question_of(*parts: str) -> str:
    """Return the digest that identifies a question in a cursor: 32 hex digits."""
    return digest_of("\0".join(parts).encode("utf-8", errors="replace"))


def pages_of_question(
    question: str, cursor: Cursor, pages: Callable[[Cursor], Iterator[Page]]
) -> Iterator[Page]:
    """Yield pages whose cursors carry the question; a cursor of another question is dropped.

    Args:
        question: from `question_of`.
        cursor: the checkpoint's.
        pages: yields the pages from a cursor of this question on.
    """

    def with_question(page: Page) -> Page:
        return replace(
            page, cursor_after=lambda count: {FIELD: question, **page.cursor_after(count)}
        )

    usable = cursor if cursor.get(FIELD) == question else {}
    for page in pages(usable):
        yield with_question(page)
