"""Paging by page number, offset or cursor, and the `pagination` of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from cryptosource_api.http.parameters import Parameters

DEFAULT_SIZE = 50
MAX_PAGE_SIZE = 100
MAX_LIMIT = 200
MAX_OFFSET = 100_000
"""Skipping that many rows costs 10 ms; further pages are reached by `next_cursor`."""
MAX_CURSOR_LENGTH = 2_000
A_CURSOR = "WzEsImU4MzJmY2NiM2ViMCIsIjMiXQ"
"""Example of a cursor."""
# Only in the description: an invalid cursor is answered by a problem of its own, 400 and not 422.
CURSOR: dict[str, Any] = {"pattern": "^[A-Za-z0-9_-]+$"}

MIXED = (
    "give page with page_size, or limit with offset, or cursor with limit or page_size; "
    "these ways to page cannot be mixed"
)


@dataclass(frozen=True, kw_only=True)
class Window:
    """The requested part of a list."""

    size: int
    offset: int = 0
    cursor: str | None = None

    def pagination(
        self, *, returned: int, total: int, next_cursor: str | None, capped: bool
    ) -> dict[str, Any]:
        """Return the envelope's pagination.

        Args:
            returned: records in this answer.
            total: records in the whole list; a lower bound when `capped`.
            next_cursor: cursor of the next page; None on the last one.
            capped: counting stopped at `total`.
        """
        # An offset in the middle of a page, or behind a cursor, has no page number.
        aligned = self.cursor is None and self.offset % self.size == 0
        return {
            "page": self.offset // self.size + 1 if aligned else None,
            "page_size": self.size,
            "limit": self.size,
            "offset": None if self.cursor is not None else self.offset,
            "returned": returned,
            "total": total,
            "total_is_capped": capped,
            "next_cursor": next_cursor,
        }


class CursorPaging(Parameters):
    """Paging of lists that have no page numbers."""

    limit: int = Field(
        default=DEFAULT_SIZE, ge=1, le=MAX_LIMIT, description="How many to return at most."
    )
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR_LENGTH,
        description="`next_cursor` of the page before; the filters must be the same.",
        examples=[A_CURSOR],
        json_schema_extra=CURSOR,
    )

    def window(self) -> Window:
        """Return the requested part of the list."""
        return Window(size=self.limit, cursor=self.cursor)


class Paging(Parameters):
    """Paging by page number, by offset, or by cursor."""

    page: int | None = Field(default=None, ge=1, le=MAX_OFFSET, description="From 1.", examples=[1])
    page_size: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PAGE_SIZE,
        description=f"Records a page; {DEFAULT_SIZE} when left out.",
        examples=[DEFAULT_SIZE],
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        le=MAX_LIMIT,
        description=f"Records to return; {DEFAULT_SIZE} when left out, at most {MAX_LIMIT}. Of an "
        "export: as many as you like, all when left out.",
        examples=[DEFAULT_SIZE],
    )
    offset: int | None = Field(
        default=None,
        ge=0,
        le=MAX_OFFSET,
        description="Records to skip. To go deeper follow next_cursor.",
        examples=[0],
    )
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR_LENGTH,
        description="`next_cursor` of the page before. Constant cost at any depth, and records "
        "that are inserted meanwhile neither repeat nor hide others.",
        examples=[A_CURSOR],
        json_schema_extra=CURSOR,
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_page, by_offset = self.page is not None, self.offset is not None
        ways = by_page + by_offset + (self.cursor is not None)
        crossed = (by_page and self.limit is not None) or (by_offset and self.page_size is not None)
        if ways > 1 or crossed or (self.limit is not None and self.page_size is not None):
            raise ValueError(MIXED)
        # The same depth as by offset, however large the pages are.
        if ((self.page or 1) - 1) * (self.page_size or DEFAULT_SIZE) > MAX_OFFSET:
            raise ValueError(
                f"the page lies behind record {MAX_OFFSET}; follow next_cursor to go deeper"
            )
        return self

    def window(self) -> Window:
        """Return the requested part of the list."""
        size = self.page_size or self.limit or DEFAULT_SIZE
        if self.cursor is not None:
            return Window(size=size, cursor=self.cursor)
        offset = self.offset if self.offset is not None else ((self.page or 1) - 1) * size
        return Window(size=size, offset=offset)
