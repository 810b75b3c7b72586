"""What is generated, and that it is the same every time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from hack.market.clock import NOON
from hack.market.coins import GIANT, TINY, Universe, UniverseSettings
from hack.market.names import ODD_SYMBOLS
from hypothesis import given
from hypothesis import strategies as st

LARGE = Universe(UniverseSettings(coins=3000))


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 100))
def test_each_vendor_lists_exactly_as_many_coins_as_asked_for(seed, coins, overlap):
    universe = Universe(UniverseSettings(seed=seed, coins=coins, overlap_percent=overlap))

    assert (coins, coins) == (len(universe.paprika), len(universe.gecko))


def test_equal_seeds_make_equal_coins_and_other_seeds_do_not():
    def prices(seed):
        universe = Universe(UniverseSettings(seed=seed, coins=50))
        return [universe.see(c, NOON) for c in universe.paprika.values()]

    assert prices(1) == prices(1)
    assert prices(1) != prices(2)


def test_shared_coins_have_one_symbol_and_name_at_both_vendors():
    paprika = {c.number: (c.symbol, c.name) for c in LARGE.paprika.values()}
    gecko = {c.number: (c.symbol, c.name) for c in LARGE.gecko.values()}
    shared = paprika.keys() & gecko.keys()

    assert 0.5 < len(shared) / 3000 < 0.7
    assert all(paprika[number] == gecko[number] for number in shared)


def test_symbols_are_shared_by_coins_with_and_without_the_same_name():
    coins = LARGE.paprika.values()
    symbols = Counter(c.symbol for c in coins)
    both = Counter((c.symbol, c.name) for c in coins)

    assert symbols["BTC"] > 1
    assert max(both.values()) > 1


def test_every_odd_symbol_occurs_among_3000_coins():
    symbols = {c.symbol for c in LARGE.paprika.values()}

    assert set(ODD_SYMBOLS) <= symbols
    assert max(map(len, symbols)) == 38


def test_prices_reach_from_1e_18_to_1e18_and_those_two_never_move():
    coins = list(LARGE.paprika.values())
    later = NOON + timedelta(days=1)

    assert LARGE.see(coins[TINY], NOON).price == LARGE.see(coins[TINY], later).price
    assert LARGE.see(coins[TINY], NOON).price == Decimal("1e-18")
    assert LARGE.see(coins[GIANT], NOON).price == Decimal("1e18")


def test_caps_are_unknown_for_some_and_never_above_what_a_bigint_like_1e30_holds():
    caps = [LARGE.see(c, NOON).market_cap for c in LARGE.paprika.values()]

    assert 0 in caps
    assert max(caps) < 10**30


def test_a_coin_is_never_observed_in_the_future_and_coins_differ_in_time():
    times = {LARGE.see(c, NOON).updated for c in LARGE.paprika.values()}

    assert max(times) <= NOON
    assert len(times) > 1000


def test_one_coin_in_n_moves_at_each_refresh():
    universe = Universe(UniverseSettings(coins=100, moving_every=10))
    later = NOON + timedelta(seconds=300)
    moved = [
        c for c in universe.paprika.values() if universe.see(c, NOON) != universe.see(c, later)
    ]

    assert len(moved) == 10


@pytest.mark.parametrize("bad", [{"coins": -1}, {"refresh_seconds": 0}, {"moving_every": 0}])
def test_a_universe_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match="are needed"):
        UniverseSettings(**bad)
