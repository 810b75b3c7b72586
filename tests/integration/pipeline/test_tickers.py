"""A ticker is not an identity: coins that share one stay apart, and the best of them owns it."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from support.oracle import contradictions, counts, rows
from support.readers import coin
from support.runs import identity, load

OWNERS = "SELECT ticker, slug FROM tickers JOIN assets USING (asset_id) ORDER BY 1"


def test_two_coins_of_one_ticker_stay_two_assets(database: URL):
    coins = [coin("bitcoin", symbol="BTC", rank=1), coin("batcat", symbol="BTC", rank=900)]
    load(database, coins)
    assert counts(database, "assets", "unified", "tickers") == {
        "assets": 2,
        "unified": 2,
        "tickers": 1,
    }
    assert rows(database, OWNERS) == [("BTC", "bitcoin")]


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_the_ticker_moves_with_the_rank_and_the_move_is_recorded(database: URL, batch_size: int):
    load(database, [coin("old", symbol="X", rank=1), coin("new", symbol="X", rank=2)])
    swapped = [coin("old", at=1, symbol="X", rank=5), coin("new", at=1, symbol="X", rank=2)]
    load(database, swapped, batch_size=batch_size)
    assert rows(database, OWNERS) == [("X", "new")]
    moves = """
        SELECT ticker, f.slug, t.slug FROM ticker_moves m
          JOIN assets f ON f.asset_id = from_asset_id JOIN assets t ON t.asset_id = to_asset_id"""
    assert rows(database, moves) == [("X", "old", "new")]
    assert contradictions(database) == {}


def test_a_renamed_coin_leaves_its_ticker_to_the_next_best(database: URL):
    load(database, [coin("matic", symbol="MATIC", rank=9), coin("fake", symbol="MATIC", rank=99)])
    load(database, [coin("matic", at=1, symbol="POL", rank=9)])
    assert rows(database, OWNERS) == [("MATIC", "fake"), ("POL", "matic")]
    assert contradictions(database) == {}


def test_a_renamed_coin_without_heir_is_still_found_by_its_old_ticker(database: URL):
    load(database, [coin("matic", symbol="MATIC")])
    load(database, [coin("matic", at=1, symbol="POL")])
    assert rows(database, OWNERS) == [("MATIC", "matic"), ("POL", "matic")]


def test_a_coin_that_two_sources_name_differently_keeps_its_ticker_right(database: URL):
    pins = {"b1": "scope-a:a1"}
    load(database, [coin("a1", symbol="NEW", at=9, rank=50), coin("a2", symbol="NEW", rank=20)])
    load(database, [coin("b1", symbol="OLD", at=1, rank=10)], source=identity("b"), pins=pins)
    assert rows(database, OWNERS) == [("NEW", "a1")]
    assert contradictions(database) == {}


@pytest.mark.parametrize(
    "symbol",
    [None, "A" * 38, "🚀", "$X.Y", "日本"],
    ids=["none", "long", "emoji", "signs", "kanji"],
)
def test_any_symbol_is_a_coin(database: URL, symbol: str | None):
    outcome = load(database, [coin("odd", symbol=symbol), coin("other", symbol=symbol)])
    assert outcome.counts.loaded == 2
    assert rows(database, "SELECT symbol FROM unified") == [(symbol,), (symbol,)]
    assert contradictions(database) == {}
