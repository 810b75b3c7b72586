"""Fields that appear, vanish or change their type are noticed; nulls and subsets are not drift."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cryptosource_etl.pipeline.observe.shape_drift import ShapeTracker, compare
from cryptosource_etl.records import Page
from cryptosource_etl.sources import coingecko, coinpaprika
from cryptosource_etl.sources.json_records import split_array
from cryptosource_etl.sources.vendor_records import VendorRecords, records_of
from support.readers import NOON


def _shape(body: bytes, contract=coinpaprika.CONTRACT):
    tracker = ShapeTracker(VendorRecords(contract))
    records = records_of(split_array(body, what="it"))
    tracker.observe(Page(records=records, cursor_after=lambda _: {}, received_at=NOON))
    return tracker.shape


def _changes(before: object, after: object, *, whole: bool = True) -> list[tuple[str, str]]:
    shapes = [_shape(json.dumps(rows).encode()) for rows in (before, after)]
    return [(drift.field, drift.change) for drift in compare(*shapes, whole=whole)]


def test_each_kind_of_change_is_noticed():
    before = [{"id": "a", "gone": 1, "type": 1}]
    after = [{"id": "a", "new": 1, "type": "1"}]
    assert _changes(before, after) == [
        ("gone", "vanished"),
        ("new", "appeared"),
        ("type", "retyped"),
    ]


def test_a_part_of_a_pass_makes_nothing_vanish():
    assert _changes([{"id": "a", "gone": 1}], [{"id": "a"}], whole=False) == []


def test_a_null_is_no_change_of_type():
    assert _changes([{"a": 1}], [{"a": None}]) == _changes([{"a": None}], [{"a": 1}]) == []


@pytest.mark.recorded
def test_the_recorded_change_of_coinpaprika_is_noticed(recorded_data: Path):
    before, after = (
        _shape((recorded_data / "coinpaprika" / name).read_bytes())
        for name in (
            "tickers_usd_13coins_2020-06-10.transcribed.json",
            "tickers_usd_3coins_2024-06-29.transcribed.json",
        )
    )
    changes = {(drift.field, drift.change) for drift in compare(before, after, whole=True)}
    assert ("circulating_supply", "vanished") in changes
    assert ("first_data_at", "appeared") in changes


@pytest.mark.recorded
def test_recorded_payloads_are_all_accepted_and_raise_no_alarm_when_repeated(recorded_data: Path):
    recorded = {coinpaprika: "coinpaprika/tickers_*", coingecko: "coingecko/markets_*"}
    for vendor, pattern in recorded.items():
        files = sorted(recorded_data.glob(pattern))
        assert files
        for file in files:
            body = file.read_bytes()
            reader = VendorRecords(vendor.CONTRACT)
            verdicts = [
                reader.normalize(record, received_at=NOON)
                for record in records_of(split_array(body, what="it"))
            ]
            assert [verdict for verdict in verdicts if hasattr(verdict, "reason")] == []
            shape = _shape(body, vendor.CONTRACT)
            assert compare(shape, shape, whole=True) == []
