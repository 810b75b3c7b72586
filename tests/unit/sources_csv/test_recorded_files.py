from __future__ import annotations

from decimal import Decimal

import pytest

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.records import Quote
from cryptosource_etl.sources.csv.csv_settings import settings_of
from cryptosource_etl.sources.csv.reader import CsvReader
from support.csv_files import (
    RECORDED_CSVS,
    cursor_at_end,
    judged,
    records_of,
)

pytestmark = pytest.mark.recorded


@pytest.fixture(params=RECORDED_CSVS, ids=lambda recorded: recorded.name)
def recorded(request):
    if not request.param.path.exists():
        pytest.skip(f"no recorded data at {request.param.path}")
    return request.param


@pytest.fixture
def reader(recorded):
    source = CryptoSource.model_validate(recorded.manifest())
    return CsvReader(settings_of(source, csv_path=recorded.path), clock=SystemClock())


def test_every_row_becomes_a_quote_right_to_the_last_digit(recorded, reader):
    quotes = judged(reader)
    assert len(quotes) == recorded.rows
    assert {type(quote) for quote in quotes} == {Quote}
    by_key = {(quote.external_id, quote.observed_at.isoformat()): quote for quote in quotes}
    assert len(by_key) == recorded.keys
    for external_id, observed_at, field, digits in recorded.spots:
        assert getattr(by_key[external_id, observed_at], field) == Decimal(digits)


def test_second_read_has_nothing_to_do(reader):
    assert list(reader.pages(cursor_at_end(reader))) == []


def test_payloads_give_the_same_quotes_without_the_file(recorded, reader):
    source = CryptoSource.model_validate(recorded.manifest())
    replaying = CsvReader(settings_of(source, csv_path=None), clock=SystemClock())
    for record in records_of(reader)[:100]:
        restored = replaying.restore(reader.payload(record))
        assert restored.digest == record.digest
        received_at = SystemClock().now()
        assert replaying.normalize(restored, received_at=received_at) == reader.normalize(
            record, received_at=received_at
        )
