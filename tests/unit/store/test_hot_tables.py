"""Tables that every pass rewrites stay cheap to rewrite."""

from __future__ import annotations

import pytest
from sqlalchemy import Table

from cryptosource_store.quote_fields import FIGURE_NAMES
from cryptosource_store.tables.market import HOT_TABLES

REWRITTEN = {
    "observed_at",
    "updated_at",
    *FIGURE_NAMES,
    "spread_percent",
    "run_id",
    "raw_id",
    "digest",
}
"""What a new observation of a coin changes."""


@pytest.mark.parametrize("table", HOT_TABLES, ids=lambda table: str(table.name))
def test_no_index_holds_a_column_that_each_new_observation_changes(table: Table):
    """Postgres then updates within the page and touches no index (heap-only tuples)."""
    held = {index.name: {column.name for column in index.columns} for index in table.indexes}

    assert all(held.values())
    assert not [name for name, columns in held.items() if columns & REWRITTEN]
