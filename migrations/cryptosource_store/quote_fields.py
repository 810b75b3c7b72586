"""The fields of a quote, one row each: what a source says of one coin at one time.

The tables and their checks, the stages, the COPY text and SET lists of a load and of a replay,
what the API shows, sorts by and exports, and what a column of a CSV file can be mapped to are
derived from `QUOTE_FIELDS`. Where a person or a type checker reads the fields (`Quote`, the
resource's `CsvColumns`) they are written out, and a test names the file that lacks one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    TIME = "time"
    FLAG = "flag"
    RANK = "rank"
    AMOUNT = "amount"
    """Unknown, or finite and at least 0; every digit is kept."""
    PERCENT = "percent"
    """Unknown, or finite; may be negative; every digit is kept."""


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
    """Of the column, of the member in JSON and of the attribute of a `Quote`."""
    kind: FieldKind
    description: str
    """One sentence for readers of the API."""
    required: bool = False
    """Never unknown."""
    sortable: bool = True
    """Lists of records can be sorted by it; where it is unknown, a record comes last."""
    exported: bool = True
    """Records show it, and their exports have a column for it."""
    bucketed: bool = False
    """A down-sampled history shows its last value in each interval, as `last_<name>`."""
    zero_is_unknown: bool = False
    """Vendors write 0 where they do not know it."""

    @property
    def sql_type(self) -> str:
        """The type of its columns in Postgres."""
        return _SQL_TYPES[self.kind]

    @property
    def is_figure(self) -> bool:
        """Whether it is a measured number, which no rule but its own kind's applies to."""
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
"""In the order in which records show them."""

BY_NAME = {field.name: field for field in QUOTE_FIELDS}
QUOTE_COLUMNS = tuple(BY_NAME)
"""The names, in the same order."""

UPSTREAM_FIELDS = tuple(field.name for field in QUOTE_FIELDS if field.kind is not FieldKind.FLAG)
"""The names of what an upstream says itself; whether a time was inferred, we say."""

FIGURES = tuple(field for field in QUOTE_FIELDS if field.is_figure)
"""The measured numbers. Each observation has them, and SQL treats all of them alike; a rank, which
is the best of several sources', and names, which only the newest observation has, have rules of
their own and are written out where they apply."""

FIGURE_NAMES = tuple(field.name for field in FIGURES)
NUMBER_NAMES = ("rank", *FIGURE_NAMES)
"""What each observation keeps beside its time."""
BUCKETED = tuple(field for field in FIGURES if field.bucketed)


def figure_list(row: str = "") -> str:
    """Return the figures as a list of SQL: `q.price_usd, q.market_cap_usd, …`.

    Args:
        row: alias of the row they are columns of; empty: bare names.
    """
    prefix = f"{row}." if row else ""
    return ", ".join(f"{prefix}{name}" for name in FIGURE_NAMES)


FIGURE_LIST = figure_list()
SET_FIGURES = ", ".join(f"{name} = excluded.{name}" for name in FIGURE_NAMES)
"""Of ON CONFLICT DO UPDATE: takes over the figures of the row that was to be inserted."""


def stage_columns(*, nullable: bool = False) -> str:
    """Return the declarations of a temporary table's columns, one for each field.

    Args:
        nullable: rows that hold no quote are staged too.
    """
    return ", ".join(
        f"{field.name} {field.sql_type}{' NOT NULL' if field.required and not nullable else ''}"
        for field in QUOTE_FIELDS
    )
