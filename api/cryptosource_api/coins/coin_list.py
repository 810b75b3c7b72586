"""The list of coins: its filters, sort and paging, and the one statement that reads a page."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator
from sqlalchemy import Connection

from cryptosource_api.coins.as_of import AS_OF, check_as_of
from cryptosource_api.database.query_runner import OneRow
from cryptosource_api.exports.format_parameter import FORMAT, Format
from cryptosource_api.http import cursor as cursors
from cryptosource_api.http.list_answer import Answer, list_answer
from cryptosource_api.http.pagination import Paging, Window
from cryptosource_api.http.parameters import Name, NamespaceFilter, Parameters, SourceFilter
from cryptosource_api.http.timestamps import End, Start
from cryptosource_store.statements import as_of as past
from cryptosource_store.statements import record_pages as sql

if TYPE_CHECKING:  # a type checker reads no Literal that is made
    Sort = str
else:
    Sort = Literal[tuple(sql.SORT_KEYS)]


class DataFilters(Parameters):
    """Which records, and in which order."""

    ticker: Name = Field(
        default=None,
        description="The one coin that owns the ticker: the best-ranked of those that share it.",
        examples=["BTC"],
    )
    symbol: Name = Field(
        default=None,
        description="Every coin with that symbol, in any case.",
        examples=["btc"],
    )
    match: Literal["exact", "partial"] | None = Field(
        default=None, description="`partial`: every coin whose symbol contains `symbol`."
    )
    source: SourceFilter = Field(
        default=None,
        description="That source's own newest records: a CryptoSource's name, or a type in lower "
        "case.",
    )
    namespace: NamespaceFilter = None
    start_date: Start | None = Field(
        default=None, description="Observed then or later: a date or an RFC 3339 time."
    )
    end_date: End | None = Field(
        default=None, description="Observed then or earlier; a date means all of that day."
    )
    sort: Sort = Field(
        default="rank",
        description="Records without a value come last. By asset_id, which never changes, no "
        "record is missed by whoever follows next_cursor while data is loaded.",
    )
    order: Literal["asc", "desc"] = Field(default="asc", description="Direction of the sort.")
    format: Format = FORMAT
    as_of: Start | None = AS_OF

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.as_of is not None and "sort" in self.model_fields_set and self.sort != "asset_id":
            raise ValueError("with as_of records come by asset_id; leave sort away")
        if self.match is not None and self.symbol is None:
            raise ValueError("match says how to compare symbol; give symbol too")
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ValueError("start_date is after end_date")
        return self

    @property
    def partial(self) -> bool:
        """Whether `symbol` matches symbols that contain it."""
        return self.match == "partial"

    @property
    def of_sources(self) -> bool:
        """Whether the list is of the sources' own records."""
        return self.source is not None or self.namespace is not None

    def digest(self) -> str:
        """Return a digest that identifies this list, whatever its paging."""
        return _digest(tuple(getattr(self, name) for name in _DIGESTED))

    def shape(self, *, after: bool = False, after_null: bool = False) -> sql.PageShape:
        """Return the shape of the list's statement."""
        return sql.PageShape(
            of_sources=self.of_sources,
            conditions=tuple(condition for condition, _ in self.filters().values()),
            sort=self.sorted_by,
            descending=self.order == "desc",
            after=after,
            after_null=after_null,
            capped=self.partial,
        )

    @property
    def sorted_by(self) -> Sort:
        """The sort that applies; with `as_of` there is only one."""
        return self.sort if self.as_of is None else "asset_id"

    def bound(self) -> dict[str, Any]:
        """Return the bind values of the filters."""
        bound = {name: value for name, (_, value) in self.filters().items()}
        if self.as_of is not None:
            bound["as_of"] = self.as_of
        if self.of_sources:
            bound |= {"source": self.source, "namespace": self.namespace}
        return bound

    def filters(self) -> dict[str, tuple[str, Any]]:
        """Return bind name -> (condition, value)."""
        filters: dict[str, tuple[str, Any]] = {}
        if self.ticker is not None:
            filters["ticker"] = sql.BY_TICKER, fold_symbol(self.ticker)
        if self.symbol is not None:
            symbol = fold_symbol(self.symbol)
            if self.partial:
                filters["symbol"] = sql.BY_PART_OF_SYMBOL, contains_pattern(symbol)
            else:
                filters["symbol"] = sql.BY_SYMBOL, symbol
        if self.start_date is not None:
            filters["start"] = sql.FROM_START, self.start_date
        if self.end_date is not None:
            filters["end"] = sql.UNTIL_END, self.end_date
        return filters


# The format is left out: it does not change which records the list has.
_DIGESTED = sorted({*DataFilters.model_fields} - {"format"})


# Cached: a client that pages needs the digest of the same list for each page.
@lru_cache(maxsize=1024)
def _digest(values: tuple[Any, ...]) -> str:
    """Return the digest of the list with these values of `_DIGESTED`."""
    return cursors.list_digest("data", list(zip(_DIGESTED, values, strict=True)))


class DataParameters(DataFilters, Paging):
    """Parameters of `GET /data`."""


def fold_symbol(text: str) -> str:
    """Return a symbol as it is stored: upper case, NFKC, no white space around it."""
    folded = unicodedata.normalize("NFKC", text).strip().upper()
    return unicodedata.normalize("NFKC", folded)


def contains_pattern(text: str) -> str:
    """Return the LIKE pattern of texts that contain `text`; wildcards in it are escaped."""
    escaped = "".join(f"\\{char}" if char in "\\%_" else char for char in text)
    return f"%{escaped}%"


def _decode_cursor(parameters: DataParameters, window: Window) -> dict[str, Any]:
    """Return the bind values of the cursor; none without a cursor."""
    if window.cursor is None:
        return {}
    key = sql.sort_key(parameters.sorted_by, descending=parameters.order == "desc")
    place = cursors.decode(
        window.cursor,
        digest=parameters.digest(),
        types=(key.cast, "bigint", "integer"),
        first_nullable=key.nullable,
    )
    return {
        "after_key": place[0],
        "after_asset": int(place[1] or 0),
        "after_source": int(place[2] or 0),
    }


def page_reading(parameters: DataParameters) -> Callable[[Connection], Answer]:
    """Return the query of a page of records.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    page = _Page(parameters)
    # One prepared statement keeps one plan, so it is used where that plan suits all values.
    if page.shape.plans_alike and not page.window.offset and parameters.as_of is None:
        return OneRow(
            statement=sql.page_statement(page.shape),
            parameters=page.bound,
            constants=("size", "offset"),
            finish=page.answer,
        )
    return page.read


class _Page:
    """The query of one page."""

    def __init__(self, parameters: DataParameters) -> None:
        self.window = parameters.window()
        self._parameters = parameters
        after = _decode_cursor(parameters, self.window)
        self.shape = parameters.shape(
            after=bool(after), after_null=bool(after) and after["after_key"] is None
        )
        own = {"size": self.window.size, "offset": self.window.offset}
        self.bound = {**own, **parameters.bound(), **after}
        self._cap = sql.TOTAL_CAP if self.shape.capped else None

    def read(self, connection: Connection) -> Answer:
        """Read the page on a connection.

        Raises:
            InvalidRequest: the state at `as_of` is not recorded.
        """
        statement = sql.page_statement(self.shape)
        if self._parameters.as_of is not None:
            check_as_of(connection, self._parameters.as_of)
            self._cap = past.TOTAL_CAP
            statement = past.page_as_of(self.shape)
        return self.answer(connection.execute(statement, self.bound).mappings().one())

    def answer(self, row: Mapping[Any, Any] | None) -> Answer:
        """Return the answer from the statement's row, which there always is."""
        assert row is not None  # noqa: S101 - an aggregate without GROUP BY
        # The statement reads one row more than the page shows.
        goes_on = row["found"] > self.window.size
        return list_answer(
            row,
            self.window,
            digest=self._parameters.digest() if goes_on else "",
            place=("last_key", "last_asset", "last_source"),
            cap=self._cap,
        )
