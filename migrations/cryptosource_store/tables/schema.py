"""The metadata all tables hang on, and the column forms they share."""

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
    """Return a `timestamptz` column, filled by the database's clock where asked."""
    default = text("clock_timestamp()") if default_now else None
    return Column(name, Timestamp, nullable=nullable, server_default=default)


def figure_columns() -> list[Column[Any]]:
    """Return fresh columns for the figures of an observation; unbounded NUMERIC keeps every digit."""
    return [Column(name, Numeric) for name in FIGURE_NAMES]


_SANE = {
    FieldKind.AMOUNT: "{0} >= 0 AND {0} < 'Infinity'",
    FieldKind.PERCENT: "{0} > '-Infinity' AND {0} < 'Infinity'",
}
"""NaN and Infinity both compare as not less than Infinity."""


def figure_checks() -> list[CheckConstraint]:
    """Return the constraints that refuse NaN, infinities and negative amounts.

    NUMERIC accepts NaN and sorts it above every number, so one NaN would poison each max().
    """
    return [
        CheckConstraint(_SANE[field.kind].format(field.name), name=f"{field.name}_sane")
        for field in FIGURES
    ]
