"""The metadata all tables hang on, and the column forms they share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Numeric, text

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


AMOUNTS = ("price_usd", "market_cap_usd", "volume_24h_usd")
"""Amounts that are unknown (NULL) or at least 0; unbounded NUMERIC keeps every digit."""


def amount_columns() -> list[Column[Any]]:
    """Return fresh columns for the amounts of an observation."""
    return [*(Column(name, Numeric) for name in AMOUNTS), Column("percent_change_24h", Numeric)]


def amount_checks() -> list[CheckConstraint]:
    """Return the constraints that refuse NaN, infinities and negative amounts.

    NUMERIC accepts NaN and sorts it above every number, so one NaN would poison each max().
    """
    finite = "< 'Infinity'"  # NaN and Infinity both compare as not less than Infinity
    checks = [
        CheckConstraint(f"{name} >= 0 AND {name} {finite}", name=f"{name}_sane") for name in AMOUNTS
    ]
    percent = f"percent_change_24h > '-Infinity' AND percent_change_24h {finite}"
    return [*checks, CheckConstraint(percent, name="percent_change_24h_sane")]
