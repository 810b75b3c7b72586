from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Permanent
from cryptosource_etl.records import Rejection
from cryptosource_etl.sources.csv.csv_settings import ColumnSettings
from cryptosource_etl.sources.csv.header import SAMPLE_BYTES, find_delimiter, unique_names
from cryptosource_etl.sources.csv.text_encoding import find_encoding
from cryptosource_store.reasons import Reason
from support.csv_files import COLUMNS, judged


def refusal(reader):
    with pytest.raises(Permanent) as caught:
        list(reader.pages({}))
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(reader_of, encoding, delimiter):
    lines = ["symbol,name,price", "btc,Zürich,1.5", "eth,Ether é,2", ""]
    content = "\r\n".join(lines).replace(",", delimiter).encode(encoding)
    given_encoding = "utf-16-le" if encoding == "utf-16-le" else "auto"
    quotes = judged(reader_of(content, encoding=given_encoding))
    assert [(quote.symbol, quote.name, str(quote.price_usd)) for quote in quotes] == [
        ("BTC", "Zürich", "1.5"),
        ("ETH", "Ether é", "2"),
    ]


def test_byte_order_mark_knows_better_than_the_manifest(reader_of):
    content = "symbol,name,price\nbtc,Zürich,1".encode("utf-8-sig")
    (quote,) = judged(reader_of(content, encoding="latin-1"))
    assert quote.name == "Zürich"


def test_one_bad_byte_makes_no_other_encoding_of_a_utf8_file(reader_of):
    content = "symbol,name,price\nbtc,Zürich,1\neth,Genève,1\n".encode() + b"x,\xff,1\n"
    first, second, third = judged(reader_of(content))
    assert (first.name, second.name) == ("Zürich", "Genève")
    assert isinstance(third, Rejection)


def test_latin1_is_the_last_resort():
    assert find_encoding(b"a\xe9\n").name == "cp1252"
    assert find_encoding(b"a\x81\n").name == "latin-1"


@pytest.mark.parametrize("encoding", ["utf-32", "cp037", "utf-7", "unicode_escape"])
def test_encoding_without_ascii_is_refused(reader_of, encoding):
    error = refusal(reader_of("symbol,price\n", encoding=encoding))
    assert error.reason is Reason.INVALID_SPEC
    assert "UTF-8" in error.message


def test_delimiter_within_quotes_does_not_count():
    assert find_delimiter(['a;"b,c,d"\n', 'e;"f,g,h"\n']) == ";"


def test_decimal_commas_are_no_delimiters():
    assert find_delimiter(["a;b\n", "1,5;2,5\n", "1;2,5\n"]) == ";"


def test_names_are_stable_when_empty_or_repeated():
    assert unique_names(["", "Price", " Price ", "Price__2", "Price", ""]) == (
        "column_1",
        "Price",
        "Price__3",
        "Price__2",
        "Price__4",
        "column_6",
    )


@given(st.lists(st.sampled_from(["", "a", "a__2", "column_1", "b"]), max_size=12))
def test_names_are_all_different_and_first_ones_keep_theirs(cells):
    names = unique_names(cells)
    assert len(set(names)) == len(cells)
    assert "" not in names
    for cell in set(cells) - {""}:
        assert names[cells.index(cell)] == cell or cell == "column_1"


def test_first_of_two_columns_of_one_name_is_taken(reader_of):
    (quote,) = judged(reader_of("symbol,price,price\nbtc,1,2\n"))
    assert quote.price_usd == 1


def test_column_that_is_not_there_is_refused_with_the_closest_one(reader_of):
    columns = {**COLUMNS, "price_usd": ColumnSettings(column="Clsoe")}
    error = refusal(reader_of("symbol,Open,Close\nbtc,1,2\n", columns=columns))
    assert error.reason is Reason.INVALID_SPEC
    for part in ("csv.columns.priceUsd", "'Clsoe'", "'Close'", "symbol, Open, Close"):
        assert part in error.message


def test_refusal_of_a_wide_file_stays_short(reader_of):
    columns = {**COLUMNS, "price_usd": ColumnSettings(column="x")}
    header = ",".join(f"column with a long name {number}" for number in range(500))
    assert len(refusal(reader_of(f"symbol,{header}\n", columns=columns)).message) <= 256


@pytest.mark.parametrize(
    ("header", "said"),
    [("price", "csv.columns.symbol or externalId"), ("symbol", "csv.columns.priceUsd")],
)
def test_file_without_a_coin_or_a_price_says_what_to_map(reader_of, header, said):
    columns = {
        "symbol": ColumnSettings(column="symbol", explicit=False),
        "price_usd": ColumnSettings(column="price", explicit=False),
    }
    error = refusal(reader_of(f"{header}\n1\n", columns=columns))
    assert error.reason is Reason.INVALID_SPEC
    assert said in error.message


def test_constant_that_cannot_be_read_is_refused(reader_of):
    columns = {**COLUMNS, "market_cap_usd": ColumnSettings(constant="lots")}
    assert "marketCapUsd.value" in refusal(reader_of("symbol,price\n", columns=columns)).message


def test_file_of_one_column_works_with_a_constant(reader_of):
    columns = {
        "symbol": ColumnSettings(constant="btc"),
        "price_usd": ColumnSettings(column="price"),
    }
    quotes = judged(reader_of("price\n1\n2\n", columns=columns))
    assert [(quote.external_id, quote.price_usd) for quote in quotes] == [("BTC", 1), ("BTC", 2)]


def test_header_alone_is_a_file_without_records(reader_of):
    assert list(reader_of("symbol,price\n").pages({})) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\r\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"PK\x03\x04rest", "Excel"),
        (b"\x1f\x8brest", "gzip"),
        (b"a\0b,c\n1,2\n", "NUL"),
        (b'"a,b\n1,2\n', "no readable header"),
        (b"x" * (SAMPLE_BYTES + 1), "no header line"),
    ],
)
def test_what_is_no_csv_is_refused(reader_of, content, said):
    error = refusal(reader_of(content))
    assert error.reason is Reason.FILE_UNREADABLE
    assert said in error.message
    assert "coins.csv" in error.message
