"""The ring that clients of a stream share: bounded by bytes, and nobody waits for the slowest."""

from __future__ import annotations

import pytest

from cryptosource_api.live.events import Event
from cryptosource_api.live.ring import FellBehind, Ring


def event(text: str) -> Event:
    return Event(name="change", data=text)


def test_the_oldest_go_when_the_bytes_are_used_up_and_who_needs_them_has_fallen_behind():
    one, two, three = (event(letter * 100) for letter in "abc")
    ring: Ring[Event] = Ring(2 * one.size_bytes)
    for each in (one, two, three):
        ring.append(each)

    assert (ring.at(1), ring.at(2)) == (two, three)
    assert ring.used_bytes == 2 * one.size_bytes
    with pytest.raises(FellBehind):
        ring.at(0)


def test_the_newest_is_kept_whatever_its_size():
    ring: Ring[Event] = Ring(1)
    ring.append(event("a"))
    ring.append(event("b" * 1000))

    assert ring.at(1).data == "b" * 1000


def test_the_place_behind_something_is_where_the_next_will_be():
    ring: Ring[Event] = Ring(10_000)
    for letter in "ab":
        ring.append(event(letter))

    assert ring.position_after(lambda each: each.data == "a") == 1
    assert ring.position_after(lambda each: each.data == "b") == ring.end == 2
    assert ring.position_after(lambda each: each.data == "c") is None
