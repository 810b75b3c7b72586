"""The metadata of all tables, and the column types and constraints that they share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Numeric, text

from cryptosource_store.quote_fields import FIGURE_NAMES, FIGURES, FieldKind

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

Timestamp = DateTime(timezone=True)


def moment(name: str, *, default_now: bool = False, nullable: bool = False) -> Column[Any]:
    """Return a `timestamptz` column.

    Args:
        name: of the column.
        default_now: the database's clock is the default.
        nullable: whether the column may be null.
    """
    # clock_timestamp() and not now(): a load's transactions last, and now() is their beginning.
    default = text("clock_timestamp()") if default_now else None
    return Column(name, Timestamp, nullable=nullable, server_default=default)


def figure_columns() -> list[Column[Any]]:
    """Return new columns for the figures of an observation."""
    # NUMERIC without a precision keeps every digit that an upstream sent.
    return [Column(name, Numeric) for name in FIGURE_NAMES]


# NaN and Infinity both compare as not less than Infinity.
_SANE = {
    FieldKind.AMOUNT: "{0} >= 0 AND {0} < 'Infinity'",
    FieldKind.PERCENT: "{0} > '-Infinity' AND {0} < 'Infinity'",
}


def figure_checks() -> list[CheckConstraint]:
    """Return the constraints that refuse NaN, infinities and negative amounts."""
    # NUMERIC accepts NaN and sorts it above every number, so one NaN would spoil each max().
    return [
        CheckConstraint(_SANE[field.kind].format(field.name), name=f"{field.name}_sane")
        for field in FIGURES
    ]
