"""A replay leads to what a load under the present rules would have led to."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from cryptosource_etl.pipeline.replay import replay_run
from cryptosource_etl.records import Rejection
from cryptosource_store.quote_fields import FIGURE_NAMES
from cryptosource_store.reasons import Reason, RejectReason
from support import postgres as postgres_support
from support.oracle import DATA_TABLES, contradictions, facts, row_versions, rows
from support.replays import NOON, RuledSource, plain_rules, record, rejecting

pytestmark = pytest.mark.usefixtures("consistent")


@pytest.fixture(params=[1, 1000], ids=lambda size: f"pages of {size}")
def source(database: URL, request, monkeypatch) -> RuledSource:
    monkeypatch.setattr(replay_run, "BATCH_SIZE", request.param)
    return RuledSource(url=database)


def half_price(value):
    quote = plain_rules(value)
    if isinstance(quote, Rejection):
        return quote
    return quote._replace(price_usd=quote.price_usd / 2)


def an_hour_later(value):
    quote = plain_rules(value)
    return quote._replace(observed_at=quote.observed_at + timedelta(hours=1))


def prices(url: URL) -> dict[tuple[str, datetime], Decimal]:
    found = rows(
        url,
        "SELECT a.external_id, q.observed_at, q.price_usd FROM quotes q "
        "JOIN asset_aliases a USING (asset_id)",
    )
    return {(row[0], row[1]): row[2] for row in found}


def latest(url: URL) -> dict[str, tuple]:
    statement = "SELECT external_id, observed_at, symbol, name, price_usd FROM quotes_latest"
    return {row[0]: row[1:] for row in rows(url, statement)}


@pytest.mark.parametrize("field", ["rank", *FIGURE_NAMES])
def test_a_field_that_is_read_otherwise_now_is_corrected_everywhere(
    source: RuledSource, database: URL, field: str
) -> None:
    source.load(record("btc"))

    source.replay(lambda value: plain_rules(value, **{field: 7}))

    for table in ("quotes", "quotes_latest", "unified"):
        assert rows(database, f"SELECT {field} FROM {table}") == [(7,)], table


def test_equal_rules_write_nothing(source: RuledSource, database: URL) -> None:
    source.load(record("btc"), record("eth", bad=True), record("btc", 1, price="2"))
    source.replay()  # the quarantined record gets the present contract version
    before = row_versions(database, *DATA_TABLES)

    outcome = source.replay()

    assert row_versions(database, *DATA_TABLES) == before
    assert (outcome.counts.loaded, outcome.counts.unchanged, outcome.counts.rejected) == (0, 2, 1)


def test_other_values_reach_every_table(source: RuledSource, database: URL) -> None:
    source.load(record("btc", price="8"), record("btc", 1, price="10"))

    outcome = source.replay(half_price)

    assert outcome.counts.loaded == 2
    assert set(prices(database).values()) == {Decimal(4), Decimal(5)}
    assert latest(database)["btc"][3] == 5
    assert rows(database, "SELECT price_usd FROM unified") == [(Decimal(5),)]


def test_symbol_and_name_alone_are_followed_too(source: RuledSource, database: URL) -> None:
    source.load(record("btc"))

    outcome = source.replay(lambda value: plain_rules(value, symbol="XBT", name="New"))

    assert outcome.counts.loaded == 1
    assert latest(database)["btc"][1:3] == ("XBT", "New")
    assert rows(database, "SELECT symbol FROM unified") == [("XBT",)]
    assert ("XBT",) in rows(database, "SELECT ticker FROM tickers")


def test_another_time_moves_the_quote(source: RuledSource, database: URL) -> None:
    source.load(record("btc"))

    source.replay(an_hour_later)

    assert list(prices(database)) == [("btc", NOON + timedelta(hours=1))]
    assert latest(database)["btc"][0] == NOON + timedelta(hours=1)


def test_rejected_newest_falls_back_to_the_one_before(source: RuledSource, database: URL) -> None:
    source.load(record("btc", 0, price="1", name="Old"), record("btc", 1, price="2", name="New"))

    outcome = source.replay(
        lambda value: (
            Rejection(RejectReason.NEGATIVE, "price", "no")
            if value["price"] == "2"
            else plain_rules(value)
        )
    )

    assert latest(database)["btc"] == (NOON, "BTC", "Old", Decimal(1))
    assert outcome.counts.rejected == 1
    assert rows(database, "SELECT reason, occurrences FROM rejected_records") == [("Negative", 1)]


def test_fallback_that_arrived_last_keeps_its_own_names(source: RuledSource, database: URL) -> None:
    source.load(record("btc", 5, price="2", name="Newest"), record("btc", 0, name="Late arrival"))

    source.replay(
        lambda value: (
            Rejection(RejectReason.NEGATIVE, "price", "no")
            if value["price"] == "2"
            else plain_rules(value)
        )
    )

    assert latest(database)["btc"][2] == "Late arrival"


def test_coin_without_any_observation_leaves_unified_but_not_identity(
    source: RuledSource, database: URL
) -> None:
    source.load(record("btc"), record("eth"))

    source.replay(rejecting("eth"))

    assert list(latest(database)) == ["btc"]
    assert rows(database, "SELECT symbol FROM unified") == [("BTC",)]
    assert rows(database, "SELECT ticker FROM tickers") == [("BTC",)]
    assert len(rows(database, "SELECT 1 FROM asset_aliases")) == 2


def test_ticker_of_a_renamed_coin_goes_to_its_rival(source: RuledSource, database: URL) -> None:
    source.load(record("one", symbol="X", rank=1), record("two", symbol="X", rank=2))

    source.replay(
        lambda value: plain_rules(value, symbol="Z") if value["id"] == "one" else plain_rules(value)
    )

    owners = "SELECT t.ticker, a.external_id FROM tickers t JOIN asset_aliases a USING (asset_id)"
    assert sorted(rows(database, owners)) == [("X", "two"), ("Z", "one")]


def test_ticker_of_a_withdrawn_coin_goes_to_its_rival(source: RuledSource, database: URL) -> None:
    source.load(record("one", symbol="X", rank=1), record("two", symbol="X", rank=2))

    source.replay(rejecting("one"))

    owner = "SELECT a.external_id FROM tickers t JOIN asset_aliases a USING (asset_id)"
    assert rows(database, owner) == [("two",)]


def test_coin_goes_on_with_the_observation_of_another_source(
    source: RuledSource, database: URL
) -> None:
    other = RuledSource(url=database, name="other")
    facts = {"symbol": "BTC", "name": "Bitcoin", "rank": 1}
    source.load(record("btc", 1, price="100", **facts))
    other.load(record("bitcoin", 0, price="101", **facts))
    assert len(rows(database, "SELECT 1 FROM unified")) == 1

    source.replay(rejecting("btc"))

    assert rows(database, "SELECT price_usd, cardinality(source_ids) FROM unified") == [
        (Decimal(101), 1)
    ]
    assert list(latest(database)) == ["bitcoin"]


def test_quarantined_record_is_loaded_once_the_rules_allow_it(
    source: RuledSource, database: URL
) -> None:
    source.load(record("btc"), record("eth", price="7", bad=True))

    outcome = source.replay(lambda value: plain_rules({**value, "bad": False}))

    assert outcome.counts.loaded == 1
    assert latest(database)["eth"][3] == 7
    assert rows(database, "SELECT replayed_at IS NOT NULL FROM rejected_records") == [(True,)]


def test_record_that_stays_rejected_is_not_counted_again(
    source: RuledSource, database: URL
) -> None:
    source.load(record("eth", bad=True))

    source.replay(version="test/9")

    found = "SELECT occurrences, contract_version, replayed_at FROM rejected_records"
    assert rows(database, found) == [(1, "test/9", None)]


def test_new_reason_takes_the_place_of_the_old_one(source: RuledSource, database: URL) -> None:
    source.load(record("eth", bad=True))

    source.replay(rejecting("eth"))

    held = "SELECT reason FROM rejected_records WHERE replayed_at IS NULL"
    assert rows(database, held) == [("OutOfRange",)]


def test_record_that_is_withdrawn_after_a_release_is_held_again(
    source: RuledSource, database: URL
) -> None:
    source.load(record("eth", bad=True))
    source.replay(lambda value: plain_rules({**value, "bad": False}))

    source.replay()

    assert not latest(database)
    assert rows(database, "SELECT occurrences, replayed_at FROM rejected_records") == [(1, None)]


def test_later_record_keeps_the_key_it_owns(source: RuledSource, database: URL) -> None:
    source.load(record("btc", price="1"), record("btc", price="2"))

    outcome = source.replay()

    assert list(prices(database).values()) == [Decimal(2)]
    assert outcome.counts.unchanged == 2


def test_withdrawing_a_correction_brings_back_what_it_corrected(
    source: RuledSource, database: URL
) -> None:
    source.load(record("btc", price="1"), record("btc", price="2"))

    source.replay(
        lambda value: (
            Rejection(RejectReason.NEGATIVE, "price", "no")
            if value["price"] == "2"
            else plain_rules(value)
        )
    )

    assert list(prices(database).values()) == [Decimal(1)]
    assert latest(database)["btc"][3] == 1


def test_inferred_time_is_not_inferred_anew(source: RuledSource, database: URL) -> None:
    source.load(record("btc", at=None))

    source.replay(lambda value: plain_rules(value, price_usd=Decimal(3), inferred_time=True))

    assert prices(database) == {("btc", NOON): Decimal(3)}


def test_external_id_that_is_read_differently_becomes_another_coin(
    source: RuledSource, database: URL
) -> None:
    source.load(record("btc"))

    source.replay(lambda value: plain_rules(value, external_id="bitcoin", symbol="BITCOIN"))

    assert list(latest(database)) == ["bitcoin"]
    assert rows(database, "SELECT external_id FROM raw_records") == [("bitcoin",)]


def test_text_that_jsonb_refused_is_judged_as_it_came(source: RuledSource, database: URL) -> None:
    huge = '{"id": "btc", "symbol": "BTC", "at": "2026-03-01T12:00:00+00:00", "price": "5", "x": 1e400000}'
    source.load(huge, rules=rejecting("btc"))
    assert rows(database, "SELECT jsonb_typeof(payload) FROM raw_records") == [("string",)]

    source.replay()

    assert latest(database)["btc"][3] == 5


def test_text_that_was_changed_to_be_stored_does_not_leave_quarantine(
    source: RuledSource, database: URL
) -> None:
    source.load(record("btc", symbol="B\0C"), rules=rejecting("btc"))

    outcome = source.replay()

    assert not latest(database)
    assert outcome.counts.rejected == 1


def test_rules_that_withdraw_too_much_are_stopped_before_they_do(database: URL) -> None:
    source = RuledSource(url=database, reject_limit_percent=5)
    source.load(*(record(f"coin{number}") for number in range(10)))
    before = facts(database)

    outcome = source.replay(rejecting("coin1"))

    assert outcome.reason is Reason.TOO_MANY_REJECTED
    assert "1 of 10" in outcome.message
    assert facts(database) == before


def test_checkpoint_shape_and_raw_rows_stay_as_they_are(source: RuledSource, database: URL) -> None:
    source.load(record("btc"))
    kept = (
        "SELECT cursor, records_committed, observed_at, updated_at FROM etl_checkpoints",
        "SELECT accepted_shape FROM sources",
        "SELECT raw_id, digest, payload, run_id FROM raw_records",
    )
    before = [rows(database, statement) for statement in kept]

    source.replay(half_price)

    assert [rows(database, statement) for statement in kept] == before
    runs = "SELECT trigger, status, processed, requests FROM etl_runs ORDER BY started_at"
    assert rows(database, runs)[-1] == ("replay", "success", 1, 0)


def test_nothing_stored_is_said(source: RuledSource) -> None:
    outcome = source.replay()

    assert outcome.exit_code == 0
    assert "Nothing is stored" in outcome.message


COINS = ("one", "two")
histories = st.lists(
    st.builds(
        record,
        st.sampled_from(COINS),
        st.integers(0, 3),
        price=st.sampled_from(["1", "2", "3"]),
        symbol=st.sampled_from(["X", "Y"]),
        rank=st.integers(1, 3),
        bad=st.booleans(),
        shift=st.integers(0, 2),
    ),
    min_size=1,
    max_size=8,
)


def strange_rules(value):
    """Accept what was bad, refuse some of what was good, and move others."""
    if value["price"] == "3":
        return Rejection(RejectReason.OUT_OF_RANGE, "price", "three is too many")
    quote = plain_rules({**value, "bad": False})
    return quote._replace(observed_at=quote.observed_at + timedelta(minutes=value["shift"]))


@given(history=histories, size=st.sampled_from([1, 2, 1000]))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_replay_leads_where_a_load_under_the_new_rules_leads(
    postgres: URL, migrated_template: str, history, size
) -> None:
    serial = [{**each, "serial": number} for number, each in enumerate(history)]
    with (
        postgres_support.database(postgres, template=migrated_template) as replayed,
        postgres_support.database(postgres, template=migrated_template) as loaded,
        patch.object(replay_run, "BATCH_SIZE", size),
    ):
        RuledSource(url=loaded).load(*serial, rules=strange_rules)
        source = RuledSource(url=replayed)
        source.load(*serial)

        source.replay(strange_rules)

        reached, expected = facts(replayed), facts(loaded)
        for subject in ("quotes", "quotes_latest", "unified"):
            assert reached[subject] == expected[subject], subject
        before = row_versions(replayed, *DATA_TABLES)
        source.replay(strange_rules)
        assert row_versions(replayed, *DATA_TABLES) == before
        assert contradictions(replayed) == {}
