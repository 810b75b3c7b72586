"""Judging early gives what judging late gives, and happens only where it pays."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cryptosource_etl.pipeline.judging_ahead import JudgingAhead, ready_text
from cryptosource_etl.pipeline.staging import quote_text
from cryptosource_etl.pipeline.storing import safe_payload
from cryptosource_etl.records import Page, Quote, RawRecord, Rejection, digest_of
from cryptosource_store.reasons import RejectReason

NOW = datetime(2026, 1, 5, tzinfo=UTC)
REJECTION = Rejection(RejectReason.NEGATIVE, "price", "-1 is negative")


class Reader:
    """Five pages of two records, of which the second is bad; counts how often it judges."""

    contract_version = "test-1"
    uniform = False

    def __init__(self):
        self.judged = 0
        self.is_closed = False

    def pages(self, cursor):
        for number in range(cursor.get("after", 0), 5):
            names = (f"good-{number}", f"bad-{number}")
            records = [RawRecord(name, digest_of(name.encode()), name) for name in names]
            yield Page(records, lambda n: {"n": n}, NOW, total=10)

    def normalize(self, record, *, received_at):
        self.judged += 1
        if record.value.startswith("bad"):
            return REJECTION
        amounts = (Decimal("1.50"), None, Decimal(3), None)
        return Quote(record.value, "T\tK", None, 7, received_at, False, *amounts)

    def payload(self, record):
        return f'{{"id":"{record.value}\\u0000"}}'

    def restore(self, payload):
        return RawRecord(payload, payload, payload)

    def shape(self, record):
        return {record.value: "string"}

    def close(self):
        self.is_closed = True


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def ahead(reader):
    return JudgingAhead(reader)


def judge(ahead, page):
    return [ahead.normalize(record, received_at=page.received_at) for record in page.records]


def test_verdicts_are_the_same_whether_they_were_reached_early_or_late(ahead):
    expected = [judge(Reader(), page) for page in Reader().pages({})]

    assert expected == [judge(ahead, page) for page in ahead.pages({})]


def test_records_are_judged_once_even_when_judged_ahead(ahead, reader):
    for page in ahead.pages({}):
        judge(ahead, page)

    assert reader.judged == 10


def test_pages_are_judged_ahead_once_the_pages_before_needed_it(ahead, reader):
    pages = ahead.pages({})
    judge(ahead, next(pages))
    before = reader.judged
    page = next(pages)

    assert reader.judged == before + len(page.records)


def test_a_run_begins_as_if_everything_were_new(ahead, reader):
    page = next(ahead.pages({}))

    assert reader.judged == len(page.records)


def test_judging_ahead_stops_after_a_few_pages_that_did_not_need_it(ahead, reader):
    judged = [reader.judged for _ in ahead.pages({})]

    assert judged == [2, 4, 6, 6, 6]


def test_verdicts_that_come_a_page_late_do_not_make_it_stop(ahead, reader):
    late = None
    for page in ahead.pages({}):
        if late is not None:
            judge(ahead, late)
        late = page

    assert reader.judged == 10


def test_text_payload_and_shape_are_the_same_either_way(ahead, reader):
    text_of = ready_text(safe_payload(ahead.payload))
    judge(ahead, next(ahead.pages({})))
    plain, judged = next(Reader().pages({"after": 3})), next(ahead.pages({"after": 3}))
    good, early = plain.records[0], judged.records[0]
    quote = reader.normalize(good, received_at=NOW)

    assert type(early.value) is not str
    assert quote_text(good, quote, safe_payload(reader.payload)) == text_of(early, quote)
    assert reader.payload(good) == ahead.payload(early)
    assert reader.shape(good) == ahead.shape(early)
    assert (good.external_id, good.digest) == (early.external_id, early.digest)


def test_a_text_is_made_anew_where_the_payload_has_to_be_another(ahead, reader):
    record = next(ahead.pages({})).records[0]
    quote = ahead.normalize(record, received_at=NOW)
    text = quote_text(record, quote, lambda _: ('"quoted"', True))

    assert text.split("\t")[2] == "t"
    assert text.endswith('\t"quoted"')


def test_cursor_total_and_time_of_a_page_survive(ahead):
    pages = ahead.pages({})
    judge(ahead, next(pages))
    page = next(pages)

    assert (page.cursor_after(1), page.total, page.received_at) == ({"n": 1}, 10, NOW)


def test_closing_and_restoring_reach_the_reader(ahead, reader):
    ahead.close()

    assert reader.is_closed
    assert RawRecord("x", "x", "x") == ahead.restore("x")
