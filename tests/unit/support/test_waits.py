"""A wait that fails says what it waited for, and until when."""

from __future__ import annotations

import socket

import pytest

from support.waits import Deadline, OutOfTime, eventually, read_until


def test_the_first_result_that_is_true_is_returned():
    looks = iter([None, 0, "", "there"])

    assert eventually(lambda: next(looks)) == "there"


def test_what_never_holds_is_named_with_what_was_seen_last():
    with pytest.raises(OutOfTime, match=r"^not within 0 s: the coin is there; .* gave \[\]$"):
        eventually(list, seconds=0, what="the coin is there")


def test_without_a_name_the_message_shows_the_source_of_the_condition():
    coins: list[str] = []
    with pytest.raises(OutOfTime, match=r"lambda: \"BTC\" in coins"):
        eventually(lambda: "BTC" in coins, seconds=0)


def test_a_silent_connection_is_not_read_for_ever():
    near, far = socket.socketpair()
    with near, far, pytest.raises(OutOfTime, match=r"0\.01 s: twelve lines"):
        read_until(near, lambda _: False, what="twelve lines", seconds=0.01)


def test_a_connection_is_read_to_its_end_when_nothing_is_enough():
    near, far = socket.socketpair()
    with near:
        with far:
            far.sendall(b"all of it")
        assert read_until(near) == b"all of it"


def test_a_deadline_that_is_over_leaves_no_time():
    deadline = Deadline("an event", seconds=0)
    with pytest.raises(OutOfTime, match="an event"):
        deadline.left()
