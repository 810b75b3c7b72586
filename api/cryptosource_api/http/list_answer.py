"""What every list has in common: rows with one more than shown, and the cursor behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptosource_api.http import cursor as cursors
from cryptosource_api.http.envelope import list_body
from cryptosource_api.http.pagination import Window


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A body up to where its meta goes, and the data it was built from."""

    body: bytes
    version: str | None = None
    """None where the answer must not be kept."""


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
        row: with `found`, `total`, `body`, and maybe `version`.
        window: what was asked for.
        digest: of the list, for its cursors.
        place: the row's members that say where the page ends.
        cap: where counting stopped; None when the total is exact.
    """
    more = row["found"] > window.size
    values = [None if row[name] is None else str(row[name]) for name in place]
    pagination = window.pagination(
        returned=min(row["found"], window.size),
        total=int(row["total"]),
        next_cursor=cursors.encode(values, digest=digest) if more else None,
        capped=cap is not None and row["total"] >= cap,
    )
    return Answer(body=list_body(row["body"], pagination), version=row.get("version"))
