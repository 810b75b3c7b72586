"""One page ahead and no more; errors surface where pages are used; leaving ends the thread."""

from __future__ import annotations

import threading

import pytest

from cryptosource_etl.pipeline.prepare.prefetch import Prefetch


def _prefetch(items, on_idle=lambda: None) -> Prefetch:
    return Prefetch(items, idle_seconds=0.001, on_idle=on_idle)


def test_items_come_in_order():
    with _prefetch(lambda: iter(range(50))) as items:
        assert list(items) == list(range(50))


def test_an_error_in_the_thread_is_raised_where_items_are_used():
    def items():
        yield 1
        raise LookupError("gone")

    with _prefetch(items) as found:
        assert next(found) == 1
        with pytest.raises(LookupError, match="gone"):
            next(found)


def test_an_error_before_the_first_item_is_raised_too():
    def refuse():
        raise LookupError("no iterator at all")

    with _prefetch(refuse) as found, pytest.raises(LookupError):
        next(found)


def test_leaving_early_closes_the_iterator_and_ends_the_thread():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    prefetch = _prefetch(items)
    with prefetch as found:
        next(found)
    assert prefetch.join(10)
    assert closed.is_set()


def test_no_more_than_two_items_exist_beside_the_one_in_use():
    made, in_use = [], []

    def items():
        for number in range(20):
            made.append(number)
            assert len(made) - len(in_use) <= 3  # in the queue, in the thread's hand, being taken
            yield number

    with _prefetch(items) as found:
        for item in found:
            in_use += [item]
    assert len(made) == 20


def test_waiting_calls_for_a_sign_of_life_whose_error_ends_the_wait():
    let_go = threading.Event()

    def items():
        let_go.wait()
        yield 1

    def on_idle() -> None:
        raise InterruptedError

    prefetch = _prefetch(items, on_idle)
    with prefetch as found, pytest.raises(InterruptedError):
        next(found)
    let_go.set()
    assert prefetch.join(10)
