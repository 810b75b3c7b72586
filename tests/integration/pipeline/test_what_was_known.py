"""What was known is kept: corrections and withdrawals leave what they replace, with its time."""

from __future__ import annotations

from sqlalchemy import URL

from support.oracle import contradictions, execute, rows, value
from support.readers import coin
from support.replays import RuledSource, record, rejecting
from support.runs import identity, load

PAST = "SELECT price_usd::text FROM superseded_quotes ORDER BY known_from, price_usd"
ABUTS = """
    SELECT s.known_from < s.known_until AND s.known_until = q.known_from
      FROM superseded_quotes s JOIN quotes q USING (asset_id, source_id, observed_at)"""


def test_a_correction_leaves_what_it_corrects_and_begins_when_that_ends(database: URL):
    load(database, [coin("btc", price="100")])
    load(database, [coin("btc", price="101")])

    assert rows(database, PAST) == [("100",)]
    assert rows(database, ABUTS) == [(True,)]
    assert contradictions(database) == {}


def test_a_payload_that_says_the_same_is_known_since_it_was_first_said(database: URL):
    load(database, [coin("btc", price="100")])
    known = value(database, "SELECT known_from FROM quotes")
    load(database, [coin("btc", price="100", name="Bitcoin")])

    assert rows(database, PAST) == []
    assert value(database, "SELECT known_from FROM quotes") == known


def test_values_that_nobody_could_see_were_never_known(database: URL):
    load(database, [coin("btc", price="100"), coin("btc", price="101")])
    load(database, [coin("btc", price="102"), coin("btc", price="103")])

    assert rows(database, PAST) == [("101",)]


def test_a_load_of_new_observations_keeps_nothing_twice(database: URL):
    for minute in range(3):
        load(database, [coin("btc", at=minute, price=str(minute))])

    assert rows(database, PAST) == []


def test_an_observation_that_a_replay_withdraws_stays_known_until_then(database: URL):
    source = RuledSource(url=database)
    source.load(record("btc", price="5"), record("eth", price="6"))
    source.replay(rejecting("eth"))

    assert rows(database, PAST) == [("6",)]
    assert value(database, "SELECT count(*) FROM quotes") == 1


def test_a_month_that_is_attached_later_keeps_it_too(database: URL):
    load(database, [coin("old", price="1", at=-200_000)])
    load(database, [coin("old", price="2", at=-200_000)])

    assert rows(database, PAST) == [("1",)]


def test_each_page_records_the_version_and_the_coins_it_changed(database: URL):
    load(database, [coin(f"c{n}", symbol=f"C{n}") for n in range(5)], batch_size=2)

    assert rows(
        database, "SELECT version, cardinality(asset_ids) FROM data_changes ORDER BY 1"
    ) == [
        (1, 2),
        (2, 2),
        (3, 1),
    ]
    newest = """SELECT c.changed_at = d.changed_at AND c.version = d.version
                  FROM data_changes c, dataset_versions d
                 WHERE d.dataset = 'unified' ORDER BY c.version DESC LIMIT 1"""
    assert value(database, newest) is True


def test_a_coin_that_lost_its_ticker_to_another_is_among_the_changed(database: URL):
    load(database, [coin("old", symbol="X", rank=2), coin("other", symbol="Y")])
    load(database, [coin("new", symbol="X", rank=1)], source=identity("b"))

    changed = """SELECT array_agg(slug ORDER BY slug) FROM assets
                  WHERE asset_id = ANY((SELECT asset_ids FROM data_changes
                                         ORDER BY version DESC LIMIT 1)::bigint[])"""
    assert value(database, changed) == ["new", "old"]


def test_a_version_that_was_counted_anew_replaces_what_was_recorded_of_it(database: URL):
    load(database, [coin("btc")])
    execute(database, "UPDATE dataset_versions SET version = 0 WHERE dataset = 'unified'")
    load(database, [coin("eth")])

    assert rows(database, "SELECT version, asset_ids FROM data_changes") == [(1, [2])]
