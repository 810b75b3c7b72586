"""`as_of=`: what was known at a moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.http.problems import InvalidRequest, Mistake
from cryptosource_store.statements.as_of import RECORDED_SINCE

AS_OF: Any = Field(
    default=None,
    description="What was known at that time: a date, meaning its beginning, or an RFC 3339 time.",
)


def check_as_of(connection: Connection, as_of: datetime) -> None:
    """Refuse a moment of which nothing can be told.

    Raises:
        InvalidRequest: it lies ahead, or before anybody kept what was known.
    """
    row = connection.execute(RECORDED_SINCE).one()
    if as_of > row.now:
        raise _refused("it lies in the future")
    if row.since is None or as_of < row.since:
        began = "nothing" if row.since is None else f"{row.since.isoformat()} on"
        raise _refused(f"what was known can be told from {began}, not before")


def _refused(detail: str) -> InvalidRequest:
    return InvalidRequest(Mistake(parameter="as_of", detail=detail))
