"""The parameter `format`, which selects the format of a list."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

Format = Literal["json", "csv", "ndjson", "parquet"] | None

FORMAT: Any = Field(
    default=None,
    description="The form of the answer; by default what Accept asks for, else json. The others "
    "are the whole list, or its first `limit` rows, in one stream.",
)
