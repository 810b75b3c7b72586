"""The answer of a list: a page of rows, and the cursor of the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptosource_api.http import cursor as cursors
from cryptosource_api.http.envelope import list_body
from cryptosource_api.http.pagination import Window


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A body without its meta, and the version of the data it was built from."""

    body: bytes
    version: str | None = None
    """None if the answer must not be cached."""


def list_answer(
    row: Mapping[Any, Any],
    window: Window,
    *,
    digest: str,
    place: Sequence[str],
    cap: int | None,
) -> Answer:
    """Return a list's answer.

    Args:
        row: with `found`, `total`, `body`, and optionally `version`.
        window: the requested part of the list.
        digest: of the list, for its cursors.
        place: names of the row's members that make up the cursor of the page's end.
        cap: where counting stopped; None if the total is exact.
    """
    # Statements select one row more than the page has: whether there is a next page costs no count.
    more = row["found"] > window.size
    values = [None if row[name] is None else str(row[name]) for name in place]
    pagination = window.pagination(
        returned=min(row["found"], window.size),
        total=int(row["total"]),
        next_cursor=cursors.encode(values, digest=digest) if more else None,
        capped=cap is not None and row["total"] >= cap,
    )
    return Answer(body=list_body(row["body"], pagination), version=row.get("version"))
