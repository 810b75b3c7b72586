"""A record is new when its own observation is newer; an identical snapshot writes nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import URL

from support.oracle import contradictions, counts, row_versions, rows, value
from support.readers import NOON, coin
from support.runs import identity, load

DATA = ("quotes", "quotes_latest", "unified", "raw_records", "tickers", "dataset_versions")


def test_a_coin_older_than_the_others_is_not_lost(database: URL):
    load(database, [coin("new", at=60), coin("late", at=1)])
    outcome = load(database, [coin("new", at=61), coin("late", at=2)])
    assert outcome.counts.loaded == 2
    assert value(database, "SELECT count(*) FROM quotes") == 4


def test_history_may_come_newest_first(database: URL):
    load(database, [coin("a", at=minute, price=str(minute + 1)) for minute in (9, 5, 7, 1)])
    assert counts(database, "quotes") == {"quotes": 4}
    assert value(database, "SELECT price_usd FROM quotes_latest") == 10
    load(database, [coin("a", at=3, price="4")])
    assert value(database, "SELECT price_usd FROM quotes_latest") == 10
    assert contradictions(database) == {}


def test_a_correction_replaces_the_quote_of_its_time_and_keeps_both_payloads(database: URL):
    load(database, [coin("a", at=1, price="1"), coin("a", at=2, price="2")])
    outcome = load(database, [coin("a", at=1, price="1.5")])
    assert outcome.counts.loaded == 1
    stored = "SELECT price_usd FROM quotes ORDER BY observed_at"
    assert rows(database, stored) == [(Decimal("1.5"),), (Decimal(2),)]
    assert counts(database, "raw_records") == {"raw_records": 3}
    assert contradictions(database) == {}


def test_a_frozen_timestamp_does_not_hide_a_new_price(database: URL):
    load(database, [coin("a", price="1")])
    load(database, [coin("a", price="2")])
    assert value(database, "SELECT price_usd FROM unified") == 2
    assert counts(database, "quotes", "raw_records") == {"quotes": 1, "raw_records": 2}


@pytest.mark.parametrize("at", [0, None], ids=["own time", "inferred time"])
def test_an_identical_snapshot_rewrites_no_row(database: URL, at: int | None):
    coins = [coin(f"c{number}", at=at, symbol=f"S{number % 20}") for number in range(50)]
    load(database, coins, batch_size=7)
    before = row_versions(database, *DATA)
    outcome = load(database, coins, batch_size=7, received_at=NOON + timedelta(hours=1))
    assert (outcome.counts.unchanged, outcome.counts.loaded) == (50, 0)
    assert row_versions(database, *DATA) == before


def test_one_changed_coin_among_many_gives_one_quote(database: URL):
    coins = [coin(f"c{number}") for number in range(500)]
    load(database, coins)
    coins[321] = coin("c321", at=5, price="2")
    outcome = load(database, coins)
    assert (outcome.counts.loaded, outcome.counts.unchanged) == (1, 499)
    assert counts(database, "quotes", "raw_records") == {"quotes": 501, "raw_records": 501}


def test_an_old_price_that_comes_back_without_a_time_is_a_new_observation(database: URL):
    for hours, price in enumerate(("1", "2", "1")):
        received_at = NOON + timedelta(hours=hours)
        load(database, [coin("a", at=None, price=price)], received_at=received_at)
    assert counts(database, "quotes") == {"quotes": 3}
    assert value(database, "SELECT observed_at FROM unified") == NOON + timedelta(hours=2)


def test_an_empty_pass_is_a_success_that_says_so(database: URL):
    load(database, [coin("a")])
    outcome = load(database, [])
    assert (outcome.status, outcome.reason) == ("success", "NotModified")


def test_the_newest_priced_observation_speaks_and_the_spread_is_of_one_hour(database: URL):
    pins = {"b1": "scope-a:a1", "c1": "scope-a:a1"}
    load(database, [coin("a1", at=0, price="100")])
    load(database, [coin("b1", at=30, price="110")], source=identity("b"), pins=pins)
    load(database, [coin("c1", at=40, price=None)], source=identity("c"), pins=pins)
    query = "SELECT price_usd, spread_percent::float, cardinality(source_ids) FROM unified"
    assert rows(database, query) == [(Decimal(110), 10.0, 3)]
    load(database, [coin("b1", at=90, price="120")], source=identity("b"))
    assert rows(database, query) == [(Decimal(120), None, 3)]
    assert contradictions(database) == {}


def test_a_month_that_ends_between_judging_and_writing_has_its_partition(database: URL):
    class MonthEnds:
        """October ends between the first look at this clock and the second."""

        def __init__(self) -> None:
            self.looks = 0

        def now(self):
            self.looks += 1
            month_end = NOON + timedelta(days=30, hours=12)
            return month_end + timedelta(seconds=-1 if self.looks == 1 else 1)

        def monotonic(self) -> float:
            return 0.0

        def sleep(self, seconds: float) -> None:
            raise AssertionError("nothing waits here")

    outcome = load(database, [coin("a")], clock=MonthEnds())
    assert outcome.status == "success", outcome.message
