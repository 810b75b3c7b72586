"""Queries of one coin, of its history, and of the summary of all coins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from sqlalchemy import Connection, RowMapping

from cryptosource_api.coins.as_of import AS_OF, check_as_of
from cryptosource_api.coins.coin_list import fold_symbol
from cryptosource_api.coins.intervals import INTERVAL, Interval, bucket_range
from cryptosource_api.database.query_runner import OneRow
from cryptosource_api.exports.format_parameter import FORMAT, Format
from cryptosource_api.http import cursor as cursors
from cryptosource_api.http.envelope import object_body
from cryptosource_api.http.list_answer import Answer, list_answer
from cryptosource_api.http.pagination import A_CURSOR, CURSOR, MAX_CURSOR_LENGTH, CursorPaging
from cryptosource_api.http.parameters import MAX_TEXT_LENGTH, Parameters
from cryptosource_api.http.problems import NotFound
from cryptosource_api.http.timestamps import DAWN, DUSK, End, Start
from cryptosource_api.runs.source_filter import SourceChoice
from cryptosource_store.prepared_statements import execute_prepared
from cryptosource_store.statements import as_of as past
from cryptosource_store.statements import coins as sql
from cryptosource_store.statements import record_pages as pages
from cryptosource_store.statements.candles import bucket_page

MAX_HISTORY = 1_000
DEFAULT_HISTORY = 100


class HistoryFilters(SourceChoice):
    """Which observations, and in which order."""

    start_date: Start | None = Field(
        default=None, description="Observed then or later: a date or an RFC 3339 time."
    )
    end_date: End | None = Field(
        default=None, description="Observed then or earlier; a date means all of that day."
    )
    order: Literal["asc", "desc"] = Field(default="desc", description="By time; newest first.")
    format: Format = FORMAT
    as_of: Start | None = AS_OF
    interval: Interval | None = INTERVAL

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError("start_date is after end_date")
        return self

    def bound(self, asset_id: int, sources: list[int]) -> dict[str, Any]:
        """Return the bind values of the filters."""
        then = {} if self.as_of is None else {"as_of": self.as_of}
        return {
            "asset_id": asset_id,
            "source_ids": sources,
            "start": self.start_date or DAWN,
            "end": self.end_date or DUSK,
            **then,
        }


class HistoryParameters(HistoryFilters, CursorPaging):
    """Parameters of `GET /data/{id}/history`."""

    limit: int = Field(
        default=DEFAULT_HISTORY,
        ge=1,
        le=MAX_HISTORY,
        description=f"Observations to return, at most {MAX_HISTORY:,}. Of an export: as many as you "
        "like, all when left out.",
    )
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR_LENGTH,
        description="`next_cursor` of the page before.",
        examples=[A_CURSOR],
        json_schema_extra=CURSOR,
    )


def asset_reading(coin_id: str) -> OneRow[int]:
    """Return the query of the asset that an id means: the ticker's owner now, or the slug's coin.

    The query raises NotFound where no coin has that id.
    """

    def finish(row: Mapping[str, Any] | None) -> int:
        if row is None or "\x00" in coin_id:
            raise NotFound(
                f"No coin has the id {coin_id[:MAX_TEXT_LENGTH]!r}; an id is a ticker (BTC) or "
                "SYMBOL~slug, as /data lists them"
            )
        return int(row["asset_id"])

    # Postgres refuses a text with NUL; `finish` answers such an id with NotFound.
    storable = coin_id.replace("\x00", "")
    slug = storable.rpartition("~")[2] if "~" in coin_id else None
    bound = {"ticker": fold_symbol(storable), "slug": slug}
    return OneRow(statement=sql.RESOLVE_ID, parameters=bound, finish=finish)


def find_asset(connection: Connection, coin_id: str) -> int:
    """Return the asset that an id means.

    Raises:
        NotFound: no coin has that id.
    """
    return asset_reading(coin_id)(connection)


class CoinParameters(Parameters):
    """Parameters of `GET /data/{id}`."""

    as_of: Start | None = AS_OF


def coin_reading(coin_id: str, as_of: datetime | None = None) -> Callable[[Connection], Answer]:
    """Return the query of one coin with each source's view and how it was matched.

    The query raises NotFound where no coin has that id or nothing was known of it then, and
    InvalidRequest where the state at that time is not recorded.
    """

    def answer(row: Mapping[str, Any] | None) -> Answer:
        if row is None:
            raise NotFound(
                f"Nothing has been observed of the coin {coin_id[:MAX_TEXT_LENGTH]!r} yet"
            )
        return Answer(body=object_body(row["body"]), version=row["version"])

    def of_asset(asset_id: int) -> OneRow[Answer]:
        return OneRow(statement=sql.COIN, parameters={"asset_id": asset_id}, finish=answer)

    if as_of is None:
        return asset_reading(coin_id).then(of_asset)
    moment = as_of

    def read_as_of(connection: Connection) -> Answer:
        bound = {"asset_id": find_asset(connection, coin_id), "as_of": moment}
        check_as_of(connection, moment)
        row = connection.execute(past.COIN_AS_OF, bound).mappings().one_or_none()
        return answer(None if row is None else dict(row))

    return read_as_of


def read_history(connection: Connection, coin_id: str, parameters: HistoryParameters) -> Answer:
    """Return a page of a coin's observations.

    Raises:
        NotFound: no coin has that id.
        InvalidCursor: the cursor is not one of this list.
        InvalidRequest: the state at `as_of` is not recorded, or the range has too many intervals.
    """
    asset_id = find_asset(connection, coin_id)
    window = parameters.window()
    digest = cursors.list_digest(
        "history",
        asset_id,
        sorted(parameters.model_dump(exclude={"limit", "cursor", "format"}).items()),
    )
    bound = {
        "size": window.size,
        **parameters.bound(asset_id, history_sources(connection, asset_id, parameters)),
    }
    if window.cursor is not None:
        place = cursors.decode(window.cursor, digest=digest, types=("timestamptz", "integer"))
        bound["after_key"] = datetime.fromisoformat(place[0] or "")
        bound["after_source"] = int(place[1] or 0)
    cap = pages.TOTAL_CAP if parameters.interval is None else None
    row = _history_page(connection, parameters, bound, after=window.cursor is not None)
    place_of = ("last_key", "last_source")
    return list_answer(row, window, digest=digest, place=place_of, cap=cap)


def _history_page(
    connection: Connection, parameters: HistoryParameters, bound: dict[str, Any], *, after: bool
) -> RowMapping:
    descending, then = parameters.order == "desc", parameters.as_of is not None
    if parameters.as_of is not None:
        check_as_of(connection, parameters.as_of)
    if parameters.interval is not None:
        bound = bucket_range(connection, bound, parameters.interval)
        statement = bucket_page(descending=descending, after=after, as_of=then)
        return connection.execute(statement, bound).mappings().one()
    if then:
        statement = pages.history_statement(
            descending=descending, after=after, quotes=past.KNOWN_QUOTES
        )
        return connection.execute(statement, bound).mappings().one()
    statement = pages.history_statement(descending=descending, after=after)
    return execute_prepared(connection, statement, bound, constants=("size",)).mappings().one()


def history_sources(connection: Connection, asset_id: int, parameters: HistoryFilters) -> list[int]:
    """Return the ids of the chosen sources of a coin; retired ones are included."""
    bound = {"asset_id": asset_id, **parameters.chosen()}
    return list(connection.scalars(sql.HISTORY_SOURCES, bound))


def read_summary(connection: Connection) -> Answer:
    """Return the totals over all coins and sources."""
    row = connection.execute(sql.SUMMARY).mappings().one()
    return Answer(body=object_body(row["body"]), version=row["version"])
