"""One bad record goes to quarantine with its payload; a page of bad ones fails the run."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from cryptosource_etl.records import RawRecord
from support.oracle import contradictions, counts, rows, value
from support.readers import coin
from support.runs import load

GOOD = [coin(f"good-{number}") for number in range(50)]
BAD = coin("bad", bad="Negative", price="-1")
STORED = "SELECT payload::text, scrubbed FROM raw_records WHERE external_id = 'odd'"


def test_a_bad_record_is_kept_and_the_page_goes_on(database: URL):
    outcome = load(database, [*GOOD, BAD], reject_limit_percent=5)
    assert (outcome.status, outcome.counts.loaded, outcome.counts.rejected) == ("success", 50, 1)
    query = """
        SELECT j.reason, j.field, r.payload->>'price' FROM rejected_records j
          JOIN raw_records r USING (raw_id)"""
    assert rows(database, query) == [("Negative", "price", "-1")]


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_the_same_poison_is_one_row_with_a_count(database: URL, batch_size: int):
    for _ in range(2):
        load(database, [*GOOD, BAD, BAD], batch_size=batch_size)
    assert rows(database, "SELECT occurrences FROM rejected_records") == [(4,)]
    assert counts(database, "raw_records") == {"raw_records": 51}
    assert contradictions(database) == {}


def test_too_many_bad_records_keep_the_checkpoint_and_the_evidence(database: URL):
    bad = [coin(f"bad-{number}", bad="Negative") for number in range(10)]
    outcome = load(database, [*GOOD, *bad], batch_size=50, reject_limit_percent=5)
    assert (outcome.reason, outcome.exit_code) == ("TooManyRejected", 75)
    assert "10 of 60 records" in outcome.message
    assert counts(database, "rejected_records", "quotes") == {"rejected_records": 10, "quotes": 50}
    assert rows(database, "SELECT cursor, records_committed FROM etl_checkpoints") == [
        ({"n": 50}, 50)
    ]
    assert contradictions(database) == {}


@pytest.mark.parametrize("batch_size", [2, 10, 1000])
def test_one_bad_record_stops_nothing_however_small_its_page(database: URL, batch_size: int):
    outcome = load(database, [BAD, *GOOD[:9]], batch_size=batch_size, reject_limit_percent=5)
    assert (outcome.status, outcome.counts.rejected) == ("success", 1)


def test_nothing_but_bad_records_is_a_failure(database: URL):
    assert load(database, [BAD], reject_limit_percent=5).reason == "TooManyRejected"


def test_a_limit_of_zero_suffers_no_bad_record(database: URL):
    assert load(database, [*GOOD, BAD], reject_limit_percent=0).reason == "TooManyRejected"


def test_a_resumed_run_is_not_stuck_on_what_a_whole_run_would_forgive(database: URL):
    bad = [coin(f"zz-{number}", bad="Negative") for number in range(2)]
    options = {"batch_size": 50, "reject_limit_percent": 5}
    load(database, [*GOOD, *bad], fail_after_records=50, **options)
    outcome = load(database, [*GOOD, *bad], **options)
    assert (outcome.status, outcome.counts.rejected) == ("success", 2)


@pytest.mark.parametrize(
    ("text", "stored", "scrubbed"),
    [
        (r'{"name": "a\u0000b"}', '{"name": "a\ufffdb"}', True),
        (r'{"name": "a\\u0000b"}', r'{"name": "a\\u0000b"}', False),
        (r'{"name": "\ud83d"}', '{"name": "\ufffd"}', True),
        (r'{"name": "\ud83d\ude80"}', '{"name": "🚀"}', False),
        ('{"name": "\udcff"}', '{"name": "\ufffd\ufffd\ufffd"}', True),
        ('{"price": 1e400000}', r'"{\"price\": 1e400000}"', True),
        ('{"price": NaN}', r'"{\"price\": NaN}"', True),
        ('{"a": "\0"}', r'"{\"a\": \"\\u0000\"}"', None),
        ("tab\tcr\rlf\nend\\", None, True),
        ("[" * 20_000 + "]" * 20_000, None, True),
        ('{"name": "' + "x" * 1_000_000 + '"}', None, False),
    ],
    ids=lambda case: None if isinstance(case, bool) else str(case)[:24].encode("unicode_escape"),
)
@pytest.mark.parametrize("bad", [None, "InvalidName"])
def test_any_payload_is_stored_scrubbed_or_quoted(
    database: URL, text: str, stored: str | None, scrubbed: bool | None, bad: str | None
):
    outcome = load(database, [*GOOD, coin("odd", text=text, bad=bad)])
    assert (outcome.status, outcome.counts.processed) == ("success", 51), outcome.message
    ((payload, flag),) = rows(database, STORED)
    if stored is not None and scrubbed is not None:
        assert payload == stored
    if scrubbed is not None:
        assert flag is scrubbed
    assert value(database, "SELECT count(*) FROM raw_records WHERE scrubbed") <= 1


@pytest.mark.parametrize(
    "external_id", ["nul\0", "lone\udcff", "".join(map(chr, range(33, 9000))) * 100]
)
def test_an_id_that_no_column_can_hold_ends_in_quarantine(database: URL, external_id: str):
    odd = coin("x", bad="InvalidId")
    odd = RawRecord(external_id, odd.digest, odd.value)
    outcome = load(database, [*GOOD, odd])
    assert (outcome.status, outcome.counts.rejected) == ("success", 1), outcome.message
    assert counts(database, "rejected_records") == {"rejected_records": 1}


@pytest.mark.parametrize("field", ["nul\0", "lone\ud800", "long" * 10_000])
def test_a_field_with_a_name_that_postgres_refuses_is_drift_like_any_other(
    database: URL, field: str
):
    load(database, GOOD)
    changed = [coin("a", at=1, **{field: 1}, text='{"id": "a"}')]
    outcome = load(database, changed)
    assert outcome.status == "success", outcome.message
    appeared = [drift for drift in outcome.drifts if drift.change == "appeared"]
    assert len(appeared) == 1
    assert len(appeared[0].field) <= 200
