"""What clients of a stream are told is encoded once for all that have the same filters."""

from __future__ import annotations

import pytest

from cryptosource_api.live.events import Event, Filters
from cryptosource_api.live.ring import ENTRY_BYTES, EncodedCache

BTC, ETH = Filters(symbol="BTC"), Filters(symbol="ETH")


@pytest.fixture
def made() -> list[tuple[int, Filters]]:
    return []


def ask(
    shared: EncodedCache, made: list[tuple[int, Filters]], place: int, filters: Filters
) -> list[Event]:
    """Ask as a client does; `made` gets what was encoded for it."""

    def make() -> list[Event]:
        made.append((place, filters))
        return [Event(name="change", data="x" * 100)]

    return shared.get_or_encode(place, filters, make)


def test_the_same_filters_are_encoded_for_once_and_others_for_themselves(made):
    shared = EncodedCache(10_000)

    first = ask(shared, made, 1, BTC)
    again = ask(shared, made, 1, Filters(symbol="BTC"))
    ask(shared, made, 1, ETH)
    ask(shared, made, 2, BTC)

    assert again is first
    assert made == [(1, BTC), (1, ETH), (2, BTC)]


def test_filters_of_runs_never_get_what_filters_of_data_got(made):
    shared = EncodedCache(10_000)
    ask(shared, made, 1, Filters(source="gecko"))
    ask(shared, made, 1, Filters(about="runs", source="gecko"))

    assert len(made) == 2


def test_that_nothing_is_told_is_known_as_well():
    shared = EncodedCache(10_000)
    calls = []

    for _ in range(2):
        assert shared.get_or_encode(1, BTC, lambda: calls.append(1) or []) == []

    assert len(calls) == 1


def test_the_oldest_go_when_the_bytes_are_used_up_and_are_encoded_anew(made):
    size = ENTRY_BYTES + 2 * Event(name="change", data="x" * 100).size_bytes
    shared = EncodedCache(2 * size)
    for place in (1, 2, 3):
        ask(shared, made, place, BTC)

    assert shared.used_bytes == 2 * size
    ask(shared, made, 3, BTC)
    ask(shared, made, 1, BTC)
    assert made == [(1, BTC), (2, BTC), (3, BTC), (1, BTC)]


def test_the_newest_are_kept_whatever_their_size(made):
    shared = EncodedCache(1)

    assert ask(shared, made, 1, BTC) is ask(shared, made, 1, BTC)
