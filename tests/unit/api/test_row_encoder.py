"""Encoding: what goes in comes out, and no cell becomes a formula."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from cryptosource_api.exports import row_encoder
from cryptosource_api.exports.formats import Form
from cryptosource_api.exports.row_encoder import FORMULA_STARTS, GUARD, encoder, guarded
from cryptosource_store.statements.exports import Column, Kind

COLUMNS = (
    Column(name="name"),
    Column(name="price", kind=Kind.AMOUNT),
    Column(name="rank", kind=Kind.INTEGER),
    Column(name="at", kind=Kind.TIME),
    Column(name="sources", kind=Kind.NAMES),
)
ROW = ("Bitcoin", "-0.000000000000000001", "1", "2026-11-20T12:00:00.5Z", "a b")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
dangerous = st.tuples(st.sampled_from(sorted(FORMULA_STARTS | {GUARD})), texts).map("".join)


def encoded(form: Form, *batches: list[tuple], columns=COLUMNS) -> bytes:
    making = encoder(form, columns)
    return b"".join([*(making.rows(batch) for batch in batches), making.end()])


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@given(st.lists(texts | dangerous, min_size=1))
def test_no_text_of_a_csv_begins_as_a_formula_and_each_can_be_had_back(names):
    _, *rows = cells(encoded(Form.CSV, [(name, None, None, None, None) for name in names]))

    shown = [row[0] for row in rows]
    assert not [cell for cell in shown if cell[0] in FORMULA_STARTS]
    assert [cell.removeprefix(GUARD) for cell in shown] == names


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_what_owasp_lists_is_guarded(start):
    formula = f"{start}cmd|' /C calc'!A0"

    _, row = cells(encoded(Form.CSV, [(formula, None, None, None, None)]))

    assert row[0] == f"'{formula}"
    assert guarded(f"Bit{formula}") == f"Bit{formula}"


def test_a_negative_number_stays_a_number():
    _, row = cells(encoded(Form.CSV, [ROW]))

    assert row == list(ROW)


def test_a_csv_has_its_header_even_without_rows_and_only_once():
    assert cells(encoded(Form.CSV)) == [[column.name for column in COLUMNS]]
    assert len(cells(encoded(Form.CSV, [ROW], [ROW]))) == 3


def test_null_is_an_empty_cell():
    _, row = cells(encoded(Form.CSV, [(None,) * 5]))

    assert row == [""] * 5


def test_ndjson_is_a_line_a_row():
    lines = encoded(Form.NDJSON, [('{"a":1}',)], [('{"a":"x"}',)]).decode().splitlines()

    assert [json.loads(line) for line in lines] == [{"a": 1}, {"a": "x"}]
    assert encoded(Form.NDJSON) == b""


def test_parquet_has_types_and_every_digit():
    table = parquet.read_table(io.BytesIO(encoded(Form.PARQUET, [ROW, (None,) * 5])))

    assert [str(field.type) for field in table.schema] == [
        "string",
        "string",
        "int64",
        "timestamp[us, tz=UTC]",
        "list<element: string>",
    ]
    first, second = table.to_pylist()
    assert first["price"] == "-0.000000000000000001"
    assert first["at"].isoformat() == "2026-11-20T12:00:00.500000+00:00"
    assert first["sources"] == ["a", "b"]
    assert second == {**dict.fromkeys(first), "sources": []}


@pytest.mark.parametrize("price", ["1e-25", "123456789012345678901234567890.000000000000000001"])
def test_no_digit_of_an_amount_is_lost_in_parquet(price):
    row = ("x", f"{Decimal(price):f}", None, None, None)
    table = parquet.read_table(io.BytesIO(encoded(Form.PARQUET, [row])))

    assert Decimal(table["price"][0].as_py()) == Decimal(price)


def test_parquet_without_rows_is_a_file_with_columns():
    table = parquet.read_table(io.BytesIO(encoded(Form.PARQUET)))

    assert (table.num_rows, table.column_names) == (0, [column.name for column in COLUMNS])


def test_parquet_leaves_in_row_groups_so_that_memory_stays_flat(monkeypatch):
    monkeypatch.setattr(row_encoder, "GROUP_ROWS", 10)
    making = encoder(Form.PARQUET, COLUMNS)

    parts = [making.rows([ROW] * 5) for _ in range(6)]
    whole = b"".join([*parts, making.end()])

    assert [bool(part) for part in parts] == [False, True] * 3
    assert parquet.ParquetFile(io.BytesIO(whole)).metadata.num_row_groups == 3


def test_an_api_that_writes_no_parquet_never_imports_its_library():
    check = "import sys, cryptosource_api.app; assert 'pyarrow' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
