"""One coin by its id, its history, and the summary of all."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from sqlalchemy import Connection

from cryptosource_api import cursor as cursors
from cryptosource_api.envelope import object_body
from cryptosource_api.moments import DAWN, DUSK, End, Start
from cryptosource_api.paging import LONGEST_CURSOR, CursorPaging
from cryptosource_api.problems import NotFound
from cryptosource_api.queries.data import LONGEST_TEXT, fold_symbol
from cryptosource_api.queries.lists import Answer, list_answer
from cryptosource_store.statements import reading as sql
from cryptosource_store.statements import reading_pages as pages

MOST_HISTORY = 1_000
DEFAULT_HISTORY = 100


class HistoryParameters(CursorPaging):
    """What `GET /data/{id}/history` understands."""

    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_TEXT,
        description="Only that source: a CryptoSource's name, or a type in lower case.",
    )
    namespace: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_TEXT,
        description="Only sources of that namespace.",
    )
    start_date: Start | None = Field(
        default=None, description="Observed then or later: a date or an RFC 3339 time."
    )
    end_date: End | None = Field(
        default=None, description="Observed then or earlier; a date means all of that day."
    )
    order: Literal["asc", "desc"] = Field(default="desc", description="By time; newest first.")
    limit: int = Field(
        default=DEFAULT_HISTORY, ge=1, le=MOST_HISTORY, description="Observations to return."
    )
    cursor: str | None = Field(
        default=None, max_length=LONGEST_CURSOR, description="`next_cursor` of the page before."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError("start_date is after end_date")
        return self


def find_asset(connection: Connection, coin_id: str) -> int:
    """Return the asset that an id means: the ticker's owner now, or the slug's coin for ever.

    Raises:
        NotFound: no coin has that id.
    """
    slug = coin_id.rpartition("~")[2] if "~" in coin_id else None
    ticker = fold_symbol(coin_id)
    storable = "\x00" not in coin_id
    bound = {"ticker": ticker, "slug": slug}
    found = connection.scalar(sql.RESOLVE_ID, bound) if storable else None
    if found is None:
        raise NotFound(
            f"No coin has the id {coin_id[:LONGEST_TEXT]!r}; an id is a ticker (BTC) or "
            "SYMBOL~slug, as /data lists them"
        )
    return int(found)


def read_coin(connection: Connection, coin_id: str) -> Answer:
    """Return one coin with each source's view and how it was matched.

    Raises:
        NotFound: no coin has that id.
    """
    parameters = {"asset_id": find_asset(connection, coin_id)}
    row = connection.execute(sql.COIN, parameters).mappings().one_or_none()
    if row is None:
        raise NotFound(f"Nothing has been observed of the coin {coin_id[:LONGEST_TEXT]!r} yet")
    return Answer(body=object_body(row["body"]), version=row["version"])


def read_history(connection: Connection, coin_id: str, parameters: HistoryParameters) -> Answer:
    """Return a page of a coin's observations.

    Raises:
        NotFound: no coin has that id.
        InvalidRequest: the cursor is not one of this list.
    """
    asset_id = find_asset(connection, coin_id)
    window = parameters.window()
    digest = cursors.list_digest(
        "history", asset_id, sorted(parameters.model_dump(exclude={"limit", "cursor"}).items())
    )
    bound: dict[str, Any] = {
        "asset_id": asset_id,
        "size": window.size,
        "start": parameters.start_date or DAWN,
        "end": parameters.end_date or DUSK,
        "source_ids": _sources(connection, asset_id, parameters),
    }
    if window.cursor is not None:
        place = cursors.decode(window.cursor, digest=digest, types=("timestamptz", "integer"))
        bound["after_key"] = datetime.fromisoformat(place[0] or "")
        bound["after_source"] = int(place[1] or 0)
    statement = pages.history_statement(
        descending=parameters.order == "desc", after=window.cursor is not None
    )
    row = connection.execute(statement, bound).mappings().one()
    place_of = ("last_key", "last_source")
    return list_answer(row, window, digest=digest, place=place_of, cap=pages.TOTAL_CAP)


def _sources(connection: Connection, asset_id: int, parameters: HistoryParameters) -> list[int]:
    bound = {
        "asset_id": asset_id,
        "source": parameters.source,
        "namespace": parameters.namespace,
    }
    return list(connection.scalars(sql.HISTORY_SOURCES, bound))


def read_summary(connection: Connection) -> Answer:
    """Return the totals over all coins and sources."""
    row = connection.execute(sql.SUMMARY).mappings().one()
    return Answer(body=object_body(row["body"]), version=row["version"])
