"""A vendor's object is a quote or a rejection that names the field, whatever it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources import coingecko, coinpaprika
from cryptosource_etl.sources.json_records import split_array
from cryptosource_etl.sources.vendor_records import Contract, VendorRecords, records_of
from cryptosource_store.quote_fields import FIGURE_NAMES

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROW = {
    "id": "bitcoin",
    "symbol": "btc",
    "name": "Bitcoin",
    "market_cap_rank": 1,
    "last_updated": "2026-10-31T23:59:00.123Z",
    "current_price": 1,
    "market_cap": 2,
    "total_volume": 3,
    "price_change_percentage_24h": -4,
}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def _judge(row: object, contract=coingecko.CONTRACT, text: str | None = None) -> Quote | Rejection:
    records = VendorRecords(contract)
    body = f"[{text or json.dumps(row)}]".encode("utf-8", "surrogatepass")
    (record,) = records_of(split_array(body, what="it"))
    verdict = records.normalize(record, received_at=NOW)
    if isinstance(verdict, Quote):
        assert record.external_id == verdict.external_id
    return verdict


def _with(field: str, token: str) -> Quote | Rejection:
    row = json.dumps(ROW | {field: "@"}).replace('"@"', token)
    return _judge(None, text=row)


def test_a_whole_row_is_read_exactly():
    quote = _judge(ROW)
    assert quote == Quote(
        "bitcoin",
        "BTC",
        "Bitcoin",
        1,
        datetime(2026, 10, 31, 23, 59, 0, 123000, tzinfo=UTC),
        False,
        Decimal(1),
        Decimal(2),
        Decimal(3),
        Decimal(-4),
    )


@pytest.mark.parametrize("field", ["current_price", "market_cap", "market_cap_rank"])
@pytest.mark.parametrize("token", ["0", "0.0", "null", '""'])
def test_a_vendors_zero_for_unknown_is_unknown(field: str, token: str):
    names = {"current_price": "price_usd", "market_cap": "market_cap_usd"}
    assert getattr(_with(field, token), names.get(field, "rank")) is None


def test_a_volume_of_zero_is_a_volume():
    assert _with("total_volume", "0").volume_24h_usd == 0


@pytest.mark.parametrize(
    ("field", "token", "reason"),
    [
        ("id", "null", "MissingId"),
        ("id", '"  "', "MissingId"),
        ("id", "12", "InvalidId"),
        ("id", "NaN", "NotFinite"),
        ("id", '"a\\u0000b"', "InvalidId"),
        ("id", f'"{"x" * 300}"', "InvalidId"),
        ("symbol", "NaN", "NotFinite"),
        ("name", '"\\ud800"', "InvalidName"),
        ("name", "NaN", "NotFinite"),
        ("current_price", "NaN", "NotFinite"),
        ("current_price", "-1", "Negative"),
        ("current_price", "1e400000", "OutOfRange"),
        ("current_price", "1e" + "9" * 20, "OutOfRange"),
        ("current_price", "9" * 5000, "OutOfRange"),
        ("current_price", "true", "InvalidNumber"),
        ("current_price", "{}", "InvalidNumber"),
        ("market_cap_rank", "1.5", "OutOfRange"),
        ("last_updated", '"2026-11-01T00:06:00Z"', "ObservedInFuture"),
        ("last_updated", '"2001-01-01"', "ObservedTooEarly"),
        ("last_updated", '"soon"', "InvalidTime"),
        ("last_updated", "1700000000", "InvalidTime"),
    ],
)
def test_a_bad_field_is_named_with_its_reason(field: str, token: str, reason: str):
    verdict = _with(field, token)
    assert isinstance(verdict, Rejection)
    assert (verdict.reason, verdict.field) == (reason, field)
    assert len(verdict.detail) < 200


def test_a_record_without_a_time_is_of_the_moment_it_came():
    quote = _with("last_updated", "null")
    assert (quote.observed_at, quote.inferred_time) == (NOW, True)


def test_an_id_with_invisible_edges_is_known_by_one_name():
    assert _with("id", '"\\u200bbitcoin\\u00a0"').external_id == "bitcoin"


@pytest.mark.parametrize("quotes", ["null", "[]", '"x"', "{}", '{"USD": 7}'])
def test_what_is_not_where_a_vendor_nests_it_is_unknown(quotes: str):
    text = f'{{"id": "btc", "quotes": {quotes}, "last_updated": "2026-10-31T00:00:00Z"}}'
    quote = _judge(None, coinpaprika.CONTRACT, text)

    assert isinstance(quote, Quote)
    assert {getattr(quote, name) for name in FIGURE_NAMES} == {None}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"external_id": "id", "price": "usd"}, "no upstream gives price of a quote"),
        ({"external_id": "id", "inferred_time": "at"}, "no upstream gives inferred_time"),
        ({"price_usd": "usd"}, "external_id must be mapped"),
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused(names: dict[str, str], message: str):
    with pytest.raises(ValueError, match=message):
        VendorRecords(Contract(version="acme/1", fields=names))


def test_a_field_that_no_contract_maps_is_unknown():
    quote = _judge(ROW, Contract(version="acme/1", fields={"external_id": "id"}))

    assert quote == Quote("bitcoin", None, None, None, NOW, inferred_time=True)


@given(st.dictionaries(st.sampled_from([*ROW, "quotes", "rank"]), ANY) | ANY)
def test_anything_at_all_is_a_quote_or_a_rejection(row: object):
    for contract in (coingecko.CONTRACT, coinpaprika.CONTRACT):
        assert isinstance(_judge(row, contract), Quote | Rejection)
