"""Each field of a quote reaches each place that shows it, with its own value and no other's."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import URL

from cryptosource_store.quote_fields import BUCKETED, FIGURE_NAMES, QUOTE_FIELDS
from support.api import ApiClient, exact
from support.oracle import contradictions, rows, value
from support.readers import coin
from support.runs import load

FIRST = {name: Decimal(f"{n}.5") for n, name in enumerate(FIGURE_NAMES, 10)}
SECOND = {name: Decimal(f"{n}.25") for n, name in enumerate(FIGURE_NAMES, 20)}


def load_figures(url: URL, figures: dict[str, Decimal], *, rank: int) -> None:
    texts = {name: str(figure) for name, figure in figures.items()}
    load(url, [coin("btc", symbol="BTC", name="Bitcoin", rank=rank, **texts)])


def stored(url: URL, table: str) -> list[dict[str, Any]]:
    columns = ("rank", *FIGURE_NAMES)
    found = rows(url, f"SELECT {', '.join(columns)} FROM {table}")
    return [dict(zip(columns, row, strict=True)) for row in found]


@pytest.fixture
def corrected(database: URL) -> str:
    """A coin whose only observation was corrected in every field; the moment before, as asked."""
    load_figures(database, FIRST, rank=3)
    before: datetime = value(database, "SELECT clock_timestamp()")
    load_figures(database, SECOND, rank=2)
    return quote(before.isoformat())


def test_a_load_and_its_correction_write_each_field_into_its_own_column(
    database: URL, corrected: str
):
    for table in ("quotes", "quotes_latest", "unified"):
        assert stored(database, table) == [{"rank": 2, **SECOND}], table
    assert stored(database, "superseded_quotes") == [{"rank": 3, **FIRST}]
    assert contradictions(database) == {}


@pytest.mark.parametrize("name", ["rank", *FIGURE_NAMES])
def test_a_correction_of_one_field_alone_is_kept_as_what_was_known(database: URL, name: str):
    load_figures(database, FIRST, rank=3)
    load_figures(database, {**FIRST, name: Decimal(99)} if name != "rank" else FIRST, rank=99)

    assert stored(database, "superseded_quotes") == [{"rank": 3, **FIRST}]


@pytest.mark.parametrize("moment", ["now", "then"])
@pytest.mark.parametrize("source", ["", "source=a"])
def test_records_views_and_history_show_each_field(
    api: ApiClient, corrected: str, moment: str, source: str
):
    expected = {"rank": 3, **FIRST} if moment == "then" else {"rank": 2, **SECOND}
    query = f"as_of={corrected}" if moment == "then" else ""
    (record,) = exact(api.get(f"/data?{query}&{source}"))["data"]
    shown = exact(api.get(f"/data/BTC?{query}"))["data"]
    (observation,) = exact(api.get(f"/data/BTC/history?{query}"))["data"]
    bucketed = exact(api.get(f"/data/BTC/history?interval=1h&{query}"))["data"][0]

    for found in (record, shown, shown["views"][0], observation):
        assert {name: found[name] for name in expected} == expected
    for field in BUCKETED:
        assert bucketed[f"last_{field.name}"] == expected[field.name]
    assert {field.name for field in QUOTE_FIELDS if field.exported} <= record.keys()


@pytest.mark.parametrize("moment", ["now", "then"])
@pytest.mark.parametrize("path", ["/data", "/data?source=a", "/data/BTC/history"])
def test_an_export_has_each_field_in_its_own_column(
    api: ApiClient, corrected: str, moment: str, path: str
):
    expected = {"rank": 3, **FIRST} if moment == "then" else {"rank": 2, **SECOND}
    query = f"as_of={corrected}" if moment == "then" else ""
    separator = "&" if "?" in path else "?"
    text = api.get(f"{path}{separator}format=csv&{query}").text
    (line,) = csv.DictReader(io.StringIO(text))

    assert {name: Decimal(line[name]) for name in expected} == expected
