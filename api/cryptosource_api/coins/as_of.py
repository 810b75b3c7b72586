"""The parameter `as_of`: data as it was known at an earlier time."""

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
    """Check that the state at a moment is recorded.

    Raises:
        InvalidRequest: the moment is in the future, or before the first record of such states.
    """
    row = connection.execute(RECORDED_SINCE).one()
    if as_of > row.now:
        raise _invalid("it lies in the future")
    if row.since is None or as_of < row.since:
        beginning = "nothing" if row.since is None else f"{row.since.isoformat()} on"
        raise _invalid(f"what was known can be told from {beginning}, not before")


def _invalid(detail: str) -> InvalidRequest:
    return InvalidRequest(Mistake(parameter="as_of", detail=detail))
