"""The mapping of a CSV file's columns to the fields of a quote."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cryptosource_crd.schedule import check_time_zone
from cryptosource_crd.time_formats import check_time_format
from cryptosource_crd.v1alpha1.closed_model import ClosedModel

ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
CellText = Annotated[str, Field(max_length=256)]


class Column(ClosedModel):
    """Where a value comes from. A plain string in a manifest stands for `{column: <string>}`."""

    column: ColumnName | None = None
    """Header of the column, compared as written."""
    value: CellText | None = None
    """A constant for every row instead of a column, such as `BTC` where one file is one coin."""
    values: dict[CellText, CellText] = Field(default_factory=dict, max_length=1_000)
    """Cell texts to read as others, at most 1000: `{"n/a": "", XBT: BTC}`. An empty text is
    unknown. Default: none."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _column_or_value(self) -> Column:
        if (self.column is None) == (self.value is None):
            raise ValueError("give exactly one of column, value")
        if self.value is not None and self.values:
            raise ValueError("values translates the cells of a column: a constant has none")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of both spellings, the string and the object."""
        as_object = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 256}, as_object]}


class TimeColumn(Column):
    """Where a record's own time comes from, and how it is written."""

    format: str = Field(default="auto", min_length=1, max_length=64)
    """A strptime format (`%d-%b-%y`) or a name: `auto` (the default), `iso8601`, `unix` (seconds),
    `unix_ms` (milliseconds), and for numeric dates with / . or - and an optional time `dmy`
    (day first), `mdy` (month first), `ymd`."""
    time_zone: str = Field(default="Etc/UTC", min_length=1, max_length=64)
    """IANA zone of times that carry none. Default `Etc/UTC`."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        return check_time_format(value)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_time_zone(value)


class CsvColumns(ClosedModel):
    """One entry per field of a quote.

    A mapping given here must be in the file's header; a default column may be absent from it, and
    its field is then unknown.
    """

    external_id: Column | None = None
    """The file's own id of a coin. Default: none, the symbol stands for it."""
    symbol: Column = Column(column="symbol")
    """Ticker. Default the column `symbol`; `{value: BTC}` where the file is about one coin."""
    name: Column = Column(column="name")
    """The coin's name. Default the column `name`."""
    rank: Column | None = None
    """Position by market capitalisation, 1 is the best. Default: none."""
    price_usd: Column = Column(column="price_usd")
    """Price in US dollars. Default the column `price_usd`."""
    market_cap_usd: Column = Column(column="market_cap_usd")
    """Market capitalisation in US dollars. Default the column `market_cap_usd`."""
    volume_24h_usd: Column = Field(default=Column(column="volume_24h_usd"), alias="volume24hUsd")
    """Turnover of 24 hours in US dollars. Default the column `volume_24h_usd`."""
    percent_change_24h: Column = Field(
        default=Column(column="percent_change_24h"), alias="percentChange24h"
    )
    """Change of the price over 24 hours in percent. Default the column `percent_change_24h`."""
    observed_at: TimeColumn = TimeColumn(column="created_at")
    """When the figures were true. Default the column `created_at`; without it, the file's own
    time."""

    @property
    def explicit(self) -> frozenset[str]:
        """Names of the fields whose mapping the manifest gives: they must be in the header."""
        return frozenset(self.model_fields_set)
