"""Whoever writes the fields of a quote out by hand has all of them, under the same names."""

from __future__ import annotations

import inspect
import re

import pytest
from pydantic import BaseModel

from cryptosource_api.coins.models import Bucket, Coin, Observation, Record, View
from cryptosource_crd.v1alpha1 import CsvColumns
from cryptosource_etl.records import Quote
from cryptosource_store import superseded_quotes as superseded
from cryptosource_store.quote_fields import (
    BUCKETED,
    FIGURE_NAMES,
    QUOTE_COLUMNS,
    QUOTE_FIELDS,
    UPSTREAM_FIELDS,
)
from cryptosource_store.statements import coins, exports, page_load, record_pages, replay
from cryptosource_store.tables import quotes, quotes_latest, superseded_quotes, unified

OBSERVED = ("rank", *FIGURE_NAMES)
"""What each observation keeps; names are those of the newest one alone."""
SHOWN = {field.name for field in QUOTE_FIELDS if field.exported}


def where(written: type) -> str:
    return f"{inspect.getsourcefile(written)}: {written.__name__}"


def test_a_quote_has_the_fields_of_the_table_and_ends_in_the_figures():
    assert set(Quote._fields) == set(QUOTE_COLUMNS), where(Quote)
    assert Quote._fields[-len(FIGURE_NAMES) :] == FIGURE_NAMES, where(Quote)
    assert set(Quote._field_defaults) == set(FIGURE_NAMES), where(Quote)


def test_every_field_that_an_upstream_gives_can_be_mapped_to_a_column_of_a_file():
    assert set(CsvColumns.model_fields) == set(UPSTREAM_FIELDS), where(CsvColumns)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Record, SHOWN),
        (Coin, SHOWN),
        (View, set(QUOTE_COLUMNS)),
        (Observation, {"observed_at", *OBSERVED}),
    ],
)
def test_a_model_of_the_api_has_each_field_described(model: type[BaseModel], names: set[str]):
    for field in QUOTE_FIELDS:
        if field.name in names:
            member = model.model_fields.get(field.name)
            assert member is not None, f"{where(model)} lacks {field.name}"
            assert (member.description or "").startswith(field.description), field.name
            assert member.is_required(), field.name


def test_a_bucket_has_the_last_value_of_each_field_that_says_so():
    lasting = {f"last_{field.name}" for field in BUCKETED}

    assert lasting
    assert lasting <= Bucket.model_fields.keys()
    assert lasting <= {column.name for column in exports.BUCKET_COLUMNS}


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (quotes.c, {"observed_at", *OBSERVED}),
        (superseded_quotes.c, {"observed_at", *OBSERVED}),
        (quotes_latest.c, set(QUOTE_COLUMNS)),
        (unified.c, SHOWN),
    ],
    ids=["quotes", "superseded_quotes", "quotes_latest", "unified"],
)
def test_a_table_has_a_column_for_each_field(columns, names: set[str]):
    assert names <= set(columns.keys()), "migrations/cryptosource_store/tables/market.py"


@pytest.mark.parametrize(
    ("module", "statement", "names"),
    [
        (page_load, "UPSERT_QUOTES", OBSERVED),
        (page_load, "UPSERT_LATEST", QUOTE_COLUMNS),
        (replay, "UPSERT_UNIFIED", sorted(SHOWN)),
        (replay, "WRITE_QUOTES", OBSERVED),
        (replay, "WRITE_LATEST", QUOTE_COLUMNS),
        (coins, "RECORD_FIELDS", sorted(SHOWN)),
        (coins, "COIN_VIEWS", QUOTE_COLUMNS),
        (record_pages, "OBSERVATION_FIELDS", OBSERVED),
        (superseded, "KEEP_SUPERSEDED", OBSERVED),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_statement_names_each_field(module, statement: str, names: tuple[str, ...]):
    words = re.findall(r"\w+", str(getattr(module, statement)))

    assert [name for name in names if name not in words] == [], f"{module.__name__}.{statement}"


def test_only_what_the_table_says_is_sorted_by_and_exported():
    unsorted = {field.name for field in QUOTE_FIELDS if not field.sortable}

    assert unsorted == {"external_id", "inferred_time"}
    assert record_pages.SORT_KEYS.keys() == {*QUOTE_COLUMNS, "asset_id"} - unsorted
    columns = {column.name for column in exports.RECORD_COLUMNS}
    assert columns & set(QUOTE_COLUMNS) == SHOWN
