from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources.csv.csv_settings import ColumnSettings, CsvSettings
from cryptosource_etl.sources.csv.row_schema import RowSchema
from cryptosource_store.reasons import RejectReason
from support.csv_files import COLUMNS, NOW, judged, make_reader, records_of

HEADER = "symbol,name,price,change,at\n"


def test_row_becomes_a_quote(reader_of):
    (quote,) = judged(reader_of(HEADER + " btc ,Bitcoin,7199.40,-1.5%,2021-01-01\n"))
    assert quote == Quote(
        external_id="BTC",
        symbol="BTC",
        name="Bitcoin",
        rank=None,
        observed_at=datetime(2021, 1, 1, tzinfo=UTC),
        inferred_time=False,
        price_usd=Decimal("7199.40"),
        market_cap_usd=None,
        volume_24h_usd=None,
        percent_change_24h=Decimal("-1.5"),
    )


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        (",Bitcoin,1,1,2021-01-01", RejectReason.MISSING_ID, "symbol"),
        ("a\0b,Bitcoin,1,1,2021-01-01", RejectReason.INVALID_ID, "symbol"),
        ("btc,a\0b,1,1,2021-01-01", RejectReason.INVALID_NAME, "name"),
        ("btc,Bitcoin,abc,1,2021-01-01", RejectReason.INVALID_NUMBER, "price"),
        ("btc,Bitcoin,-1,1,2021-01-01", RejectReason.NEGATIVE, "price"),
        ("btc,Bitcoin,NaN,1,2021-01-01", RejectReason.NOT_FINITE, "price"),
        ("btc,Bitcoin,1e999,1,2021-01-01", RejectReason.OUT_OF_RANGE, "price"),
        ("btc,Bitcoin,1,x,2021-01-01", RejectReason.INVALID_NUMBER, "change"),
        ("btc,Bitcoin,1,1,2021-02-29", RejectReason.INVALID_TIME, "at"),
        ("btc,Bitcoin,1,1,", RejectReason.INVALID_TIME, "at"),
        ("btc,Bitcoin,1,1,2009-01-02", RejectReason.OBSERVED_TOO_EARLY, "at"),
        ("btc,Bitcoin,1,1,2100-01-02T03:09:06Z", RejectReason.OBSERVED_IN_FUTURE, "at"),
        ("btc,Bitcoin,1,1", RejectReason.RAGGED_ROW, None),
        ("btc,Bitcoin,1,1,2021-01-01,", RejectReason.RAGGED_ROW, None),
        ('btc,"Bitcoin,1,1,2021-01-01', RejectReason.RAGGED_ROW, None),
    ],
)
def test_bad_row_is_rejected_and_its_neighbour_is_not(reader_of, row, reason, field):
    bad, good = judged(reader_of(HEADER + row + "\neth,Ether,1,1,2021-01-01\n"))
    assert (bad.reason, bad.field) == (reason, field)
    assert bad.detail
    assert good.external_id == "ETH"


def test_ragged_row_says_where_it_is(reader_of):
    (bad,) = judged(reader_of(HEADER + "\nbtc,1\n"))
    assert bad.detail == "line 3 has 2 cells where the header names 5"


def test_time_up_to_five_minutes_ahead_is_believed(reader_of):
    (quote,) = judged(reader_of(HEADER + "btc,,1,,2100-01-02T03:09:05Z\n"))
    assert quote.observed_at == NOW + timedelta(minutes=5)


def test_without_a_time_column_the_files_own_time_counts_on_each_read(reader_of, tmp_path):
    reader = reader_of("symbol,price\nbtc,1\n")
    os.utime(tmp_path / "coins.csv", ns=(0, 1_600_000_000_123_456_789))
    first, second = judged(reader), judged(reader)
    assert first == second
    assert first[0].inferred_time
    assert first[0].observed_at == datetime.fromtimestamp(1_600_000_000, tz=UTC).replace(
        microsecond=123456
    )


def test_cells_are_translated_before_they_are_read(reader_of):
    columns = {
        **COLUMNS,
        "external_id": ColumnSettings(column="name"),
        "symbol": ColumnSettings(column="symbol", values={"tezos": "xtz", "none": ""}),
        "price_usd": ColumnSettings(column="price", values={"NaN": ""}),
    }
    first, second = judged(
        reader_of("symbol,name,price\ntezos ,Tezos,NaN\nnone,Other,2\n", columns=columns)
    )
    assert (first.external_id, first.symbol, first.price_usd) == ("Tezos", "XTZ", None)
    assert (second.external_id, second.symbol) == ("Other", None)


def test_decimal_comma_and_zone_come_from_the_manifest(reader_of):
    columns = {
        **COLUMNS,
        "observed_at": ColumnSettings(column="at", format="dmy", time_zone="Europe/Berlin"),
    }
    content = "symbol;price;at\nbtc;7.199,4;25.11.2019 01:00\n"
    (quote,) = judged(reader_of(content, columns=columns, decimal=","))
    assert quote.price_usd == Decimal("7199.4")
    assert quote.observed_at == datetime(2019, 11, 25, tzinfo=UTC)


def test_rank_is_read(reader_of):
    columns = {**COLUMNS, "rank": ColumnSettings(column="rank")}
    good, bad = judged(reader_of("symbol,price,rank\nbtc,1,1\neth,1,0\n", columns=columns))
    assert good.rank == 1
    assert (bad.reason, bad.field) == (RejectReason.OUT_OF_RANGE, "rank")


def test_shape_names_every_column_and_what_is_empty(reader_of):
    reader = reader_of(HEADER + "btc,,1,,2021-01-01\nbroken\n")
    whole, broken = records_of(reader)
    assert reader.shape(whole) == {
        "symbol": "string",
        "name": "null",
        "price": "string",
        "change": "null",
        "at": "string",
    }
    assert reader.shape(broken).keys() == reader.shape(whole).keys()


def test_digest_depends_on_the_cells_and_the_names_alone(reader_of):
    (one,) = records_of(reader_of("symbol,price\nbtc,1\n"))
    (quoted,) = records_of(reader_of('\nsymbol;price\r\n"btc";"1"\r\n'))
    (turned,) = records_of(reader_of("price,symbol\n1,btc\n"))
    (other,) = records_of(reader_of("symbol,price\nbtc,2\n"))
    (renamed,) = records_of(reader_of("symbol,price,name\nbtc,1,\n"))
    assert one.digest == quoted.digest == turned.digest
    assert len({one.digest, other.digest, renamed.digest}) == 3


def test_payload_is_column_to_cell_as_received(reader_of):
    reader = reader_of('symbol,price,,price\n" btc","1,000",x,\n')
    (record,) = records_of(reader)
    assert msgspec.json.decode(reader.payload(record)) == {
        "symbol": " btc",
        "price": "1,000",
        "column_3": "x",
        "price__2": "",
    }


def test_payload_under_an_older_header_is_judged_by_its_own_names(reader_of):
    old = reader_of("at,price,symbol\n2021-01-01,5,btc\n")
    (record,) = records_of(old)
    payload = old.payload(record)
    new = reader_of("symbol,price\neth,1\n")
    records_of(new)
    restored = new.restore(payload)
    assert restored.digest == record.digest
    assert new.normalize(restored, received_at=NOW).price_usd == 5
    assert msgspec.json.decode(new.payload(restored)) == msgspec.json.decode(payload)
    assert set(new.shape(restored)) == {"at", "price", "symbol"}


@pytest.mark.parametrize(
    "payload", [None, [], "x", {"": "?"}, {"": "Boom: x", "cells": 1}, {}, {"symbol": "btc"}]
)
def test_payload_that_is_no_row_is_rejected(reader_of, payload):
    reader = reader_of("symbol,price\n")
    restored = reader.restore(json.dumps(payload))
    assert isinstance(reader.normalize(restored, received_at=NOW), Rejection)


storable = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
figures = st.sampled_from(
    [
        "",
        "btc",
        "1",
        "-1",
        "1.5",
        "1,000",
        "NaN",
        "3%",
        "2021-01-01",
        "1609459200",
        "a\0b",
        "9" * 200,
    ]
)
row = st.lists(storable | figures, max_size=7)


@given(st.lists(row, max_size=5))
def test_any_cells_are_judged_and_restored_to_equal_records(rows):
    names = ["symbol", "name", "price", "change", "at"]
    reader = make_reader(None)
    reader._schema = RowSchema(CsvSettings(columns=COLUMNS), names)
    for record in reader._schema.records(rows, lines=range(len(rows))):
        assert isinstance(reader.normalize(record, received_at=NOW), Quote | Rejection)
        payload = msgspec.json.decode(reader.payload(record))
        in_jsonb_order = dict(sorted(payload.items(), key=lambda item: (len(item[0]), item[0])))
        assert reader.restore(json.dumps(in_jsonb_order)) == record
        replaying = make_reader(None)
        assert replaying.restore(json.dumps(in_jsonb_order)).digest == record.digest
