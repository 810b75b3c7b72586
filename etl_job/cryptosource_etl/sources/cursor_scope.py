"""A cursor is worth something only to the question it was made under.

A spec whose URL or selection has changed asks something else: going on in the middle would leave
coins out, and the validators of the old answer would make the upstream say that nothing is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cryptosource_etl.records import Cursor, Page, digest_of

FIELD = "question"


def question_of(*parts: str) -> str:
    """Return what stands for a question in a cursor: 32 hex digits."""
    return digest_of("\0".join(parts).encode("utf-8", errors="replace"))


def pages_of_question(
    question: str, cursor: Cursor, pages: Callable[[Cursor], Iterator[Page]]
) -> Iterator[Page]:
    """Yield pages whose cursors carry the question; a cursor of another question counts as none.

    Args:
        question: from `question_of`.
        cursor: of the checkpoint.
        pages: reads on from a cursor of this question.
    """

    def with_question(page: Page) -> Page:
        return replace(
            page, cursor_after=lambda count: {FIELD: question, **page.cursor_after(count)}
        )

    usable = cursor if cursor.get(FIELD) == question else {}
    for page in pages(usable):
        yield with_question(page)
