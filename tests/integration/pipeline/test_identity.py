"""External ids become coins by pin or by evidence, never by their ticker alone."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from support.oracle import contradictions, counts, rows, value
from support.readers import coin
from support.runs import identity, load

B = identity("b")
BITCOIN = {"symbol": "BTC", "name": "Bitcoin", "price": "100", "cap": "2000", "rank": 1}
METHODS = "SELECT external_id, method FROM asset_aliases ORDER BY external_id"


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_sources_agree_on_a_coin_in_either_order(database: URL, first: str):
    records = {
        "a": [coin("btc-bitcoin", **BITCOIN)],
        "b": [coin("bitcoin", **BITCOIN | {"price": "100.07", "name": "bitcoin "})],
    }
    for name in (first, "b" if first == "a" else "a"):
        load(database, records[name], source=identity(name))
    assert counts(database, "assets", "unified") == {"assets": 1, "unified": 1}
    assert sorted(method for _, method in rows(database, METHODS)) == ["evidence", "minted"]
    assert contradictions(database) == {}


@pytest.mark.parametrize(
    "difference",
    [
        {"name": "Batcat"},
        {"name": None},
        {"price": "105.1"},
        {"price": None},
        {"cap": "9000"},
        {"at": 61},
        {"cap": None, "rank": 40},
    ],
    ids=str,
)
def test_a_shared_ticker_is_no_evidence(database: URL, difference: dict[str, object]):
    load(database, [coin("btc-bitcoin", **BITCOIN)])
    load(database, [coin("other", **BITCOIN | difference)], source=B)
    assert counts(database, "assets") == {"assets": 2}


def test_two_coins_that_fit_as_well_are_neither(database: URL):
    load(database, [coin("one", **BITCOIN), coin("two", **BITCOIN)])
    load(database, [coin("bitcoin", **BITCOIN)], source=B)
    assert counts(database, "assets") == {"assets": 3}
    query = "SELECT evidence->>'reason' FROM asset_aliases WHERE external_id = 'bitcoin'"
    assert value(database, query) == "several known coins fit"


def test_two_newcomers_that_fit_one_coin_are_both_minted(database: URL):
    load(database, [coin("bitcoin", **BITCOIN)])
    load(database, [coin("one", **BITCOIN), coin("two", **BITCOIN)], source=B)
    assert counts(database, "assets") == {"assets": 3}


def test_a_pin_joins_what_evidence_would_not(database: URL):
    load(database, [coin("polygon", symbol="POL")])
    load(database, [coin("matic", symbol="MATIC")], source=B, pins={"matic": "scope-a:polygon"})
    assert counts(database, "assets", "unified") == {"assets": 1, "unified": 1}


def test_a_pin_to_a_coin_nobody_knows_yet_waits_for_it(database: URL):
    load(database, [coin("matic", symbol="MATIC")], source=B, pins={"matic": "scope-a:polygon"})
    load(database, [coin("polygon", symbol="POL")])
    assert counts(database, "assets", "unified") == {"assets": 1, "unified": 1}
    assert rows(database, METHODS) == [("matic", "pinned"), ("polygon", "pinned")]
    assert contradictions(database) == {}


def test_a_pin_that_comes_too_late_changes_nothing_and_is_told_of(database: URL, caplog):
    load(database, [coin("polygon", symbol="POL"), coin("ether", symbol="ETH")])
    load(database, [coin("matic", symbol="MATIC"), coin("weth", symbol="WETH")], source=B)
    before = rows(database, METHODS)

    pins = {"matic": "scope-a:polygon", "weth": "scope-a:nobody", "new": "scope-a:ether"}
    records = [coin("matic", symbol="MATIC", price="2"), coin("new", symbol="NEW")]
    outcome = load(database, records, source=B, pins=pins)
    load(database, records, source=B, pins={"new": "scope-a:ether"})

    assert outcome.status == "success", outcome.message
    assert rows(database, METHODS) == sorted([*before, ("new", "pinned")])
    (told,) = [each for each in caplog.records if "pins without effect" in each.message]
    assert told.pins == {"matic": "scope-a:polygon", "weth": "scope-a:nobody"}


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("known", [True, False], ids=["known target", "unknown target"])
def test_two_pins_to_one_coin_are_a_mistake_in_the_spec(
    database: URL, batch_size: int, known: bool
):
    if known:
        load(database, [coin("target")])
    pins = {"one": "scope-a:target", "two": "scope-a:target"}
    records = [coin("one"), coin("two")]
    outcome = load(database, records, source=B, pins=pins, batch_size=batch_size)
    assert (outcome.reason, outcome.exit_code) == ("InvalidSpec", 78), outcome.message
    assert "spec.identity.pins" in outcome.message


def test_a_pin_to_an_id_of_the_same_source_is_a_mistake_in_the_spec(database: URL):
    outcome = load(database, [coin("one"), coin("two")], pins={"one": "scope-a:two"})
    assert (outcome.reason, outcome.exit_code) == ("InvalidSpec", 78), outcome.message


def test_a_pinned_coin_is_out_of_reach_for_evidence_in_the_same_page(database: URL):
    load(database, [coin("bitcoin", **BITCOIN)])
    records = [coin("look-alike", **BITCOIN), coin("xbt", symbol="XBT")]
    outcome = load(database, records, source=B, pins={"xbt": "scope-a:bitcoin"})
    assert outcome.status == "success", outcome.message
    assert rows(database, METHODS)[1:] == [("look-alike", "minted"), ("xbt", "pinned")]


def test_slugs_that_collide_stay_unique_whatever_the_ids(database: URL):
    ids = ["coin", "Coin", "COIN!", "🚀", "日本", "", "coin-2", "coin-3", "coin-4", "coin--5"]
    ids += [f"coin-{number}" for number in range(6, 40)]
    outcome = load(database, [coin(external_id) for external_id in ids if external_id])
    assert outcome.status == "success", outcome.message
    outcome = load(database, [coin(external_id) for external_id in ids if external_id], source=B)
    assert outcome.status == "success", outcome.message
    slugs = [slug for (slug,) in rows(database, "SELECT slug FROM assets")]
    assert len(set(slugs)) == len(slugs) == 2 * (len(ids) - 1)
    assert not [slug for slug in slugs if not slug or "/" in slug or " " in slug or "~" in slug]
