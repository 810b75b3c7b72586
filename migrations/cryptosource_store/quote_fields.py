"""The fields of a quote, which is what a source says of one coin at one time.

Derived from `QUOTE_FIELDS` are: the tables and their checks, the temporary stage tables, the COPY
text and SET lists of loads and replays, what the API shows, sorts by and exports, and the targets
of columns of CSV files. `Quote` and the resource's `CsvColumns` spell the fields out, for readers
and the type checker; a test names the file that lacks a field.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldKind(StrEnum):
    """The kind of value that a field holds."""

    TEXT = "text"
    TIME = "time"
    FLAG = "flag"
    RANK = "rank"
    AMOUNT = "amount"
    """Null where unknown, else finite and at least 0; every digit is kept."""
    PERCENT = "percent"
    """Null where unknown, else finite, possibly negative; every digit is kept."""


_SQL_TYPES = {
    FieldKind.TEXT: "text",
    FieldKind.TIME: "timestamptz",
    FieldKind.FLAG: "boolean",
    FieldKind.RANK: "integer",
    FieldKind.AMOUNT: "numeric",
    FieldKind.PERCENT: "numeric",
}


@dataclass(frozen=True, kw_only=True)
class QuoteField:
    """One field of a quote."""

    name: str
    """Name of the column, of the member in JSON and of the attribute of `Quote`."""
    kind: FieldKind
    description: str
    """One sentence for the API's documentation."""
    required: bool = False
    """Never null."""
    sortable: bool = True
    """Lists of records can be sorted by it; records where it is null come last."""
    exported: bool = True
    """Records have it as a member, and their exports as a column."""
    bucketed: bool = False
    """A down-sampled history has its last value in each interval, as `last_<name>`."""
    zero_is_unknown: bool = False
    """Vendors send 0 for an unknown value."""

    @property
    def sql_type(self) -> str:
        """The Postgres type of its columns."""
        return _SQL_TYPES[self.kind]

    @property
    def is_figure(self) -> bool:
        """Whether it is a measured number, to which only the rules of its kind apply."""
        return self.kind in {FieldKind.AMOUNT, FieldKind.PERCENT}


QUOTE_FIELDS = (
    QuoteField(
        name="external_id",
        kind=FieldKind.TEXT,
        description="The source's own id of the coin.",
        required=True,
        sortable=False,
        exported=False,
    ),
    QuoteField(
        name="symbol", kind=FieldKind.TEXT, description="Upper-case; several coins may share it."
    ),
    QuoteField(name="name", kind=FieldKind.TEXT, description="As the source spells it."),
    QuoteField(
        name="rank",
        kind=FieldKind.RANK,
        description="By market capitalisation; 1 is the best.",
        zero_is_unknown=True,
    ),
    QuoteField(
        name="price_usd",
        kind=FieldKind.AMOUNT,
        description="Price in US dollars.",
        zero_is_unknown=True,
    ),
    QuoteField(
        name="market_cap_usd",
        kind=FieldKind.AMOUNT,
        description="Market capitalisation in US dollars.",
        bucketed=True,
        zero_is_unknown=True,
    ),
    QuoteField(
        name="volume_24h_usd",
        kind=FieldKind.AMOUNT,
        description="Turnover of 24 hours in US dollars.",
        bucketed=True,
    ),
    QuoteField(
        name="percent_change_24h",
        kind=FieldKind.PERCENT,
        description="Change of the price over 24 hours in percent.",
    ),
    QuoteField(
        name="observed_at",
        kind=FieldKind.TIME,
        description="When the source says it was so.",
        required=True,
    ),
    QuoteField(
        name="inferred_time",
        kind=FieldKind.FLAG,
        description="The source gave no time; the arrival's was taken.",
        required=True,
        sortable=False,
        exported=False,
    ),
)
"""In the order in which records have them."""

BY_NAME = {field.name: field for field in QUOTE_FIELDS}
QUOTE_COLUMNS = tuple(BY_NAME)
"""The names, in the same order."""

UPSTREAM_FIELDS = tuple(field.name for field in QUOTE_FIELDS if field.kind is not FieldKind.FLAG)
"""Names of the fields that an upstream sends; flags are set by the ETL."""

# SQL treats all figures alike. Rank (a coin has the best of its sources' ranks) and names (kept for
# the newest observation only) have rules of their own and are spelled out in each statement.
FIGURES = tuple(field for field in QUOTE_FIELDS if field.is_figure)
"""The measured numbers, which each observation has."""

FIGURE_NAMES = tuple(field.name for field in FIGURES)
NUMBER_NAMES = ("rank", *FIGURE_NAMES)
"""The numbers that each observation has."""
BUCKETED = tuple(field for field in FIGURES if field.bucketed)


def figure_list(row: str = "") -> str:
    """Return the figures as a list in SQL: `q.price_usd, q.market_cap_usd, …`.

    Args:
        row: alias of the table or row that has the columns; empty for bare names.
    """
    prefix = f"{row}." if row else ""
    return ", ".join(f"{prefix}{name}" for name in FIGURE_NAMES)


FIGURE_LIST = figure_list()
SET_FIGURES = ", ".join(f"{name} = excluded.{name}" for name in FIGURE_NAMES)
"""Assignments for ON CONFLICT DO UPDATE that take the figures of the excluded row."""


def stage_columns(*, nullable: bool = False) -> str:
    """Return the column definitions of a temporary stage table, one for each field.

    Args:
        nullable: omit NOT NULL, for stages whose rows may lack a quote.
    """
    return ", ".join(
        f"{field.name} {field.sql_type}{' NOT NULL' if field.required and not nullable else ''}"
        for field in QUOTE_FIELDS
    )
