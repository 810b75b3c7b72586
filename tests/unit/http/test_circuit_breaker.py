"""docs/faults.md, F21: an upstream that is down is left alone, then asked once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.http import CircuitBreaker
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer

HOST = "api.test"


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(clock, failure_threshold=3, cool_down_seconds=60)


def call(breaker, reason=None, *, host=HOST, error=Retryable):
    with breaker.watch(host) as probing:
        if reason:
            raise error(reason, "went wrong")
        return probing


def fail(breaker, reason=Reason.UPSTREAM_ERROR, times=1, **kind):
    for _ in range(times):
        with pytest.raises((Retryable, Permanent), match="went wrong"):
            call(breaker, reason, **kind)


def refused(breaker):
    with pytest.raises(Retryable, match="left alone") as refusal:
        call(breaker)
    return refusal.value


def test_it_opens_after_as_many_failed_calls_in_a_row_and_says_for_how_long(breaker, clock):
    fail(breaker, times=3)
    clock.sleep(20)
    refusal = refused(breaker)

    assert refusal.reason is Reason.UPSTREAM_UNREACHABLE
    assert refusal.retry_after == timedelta(seconds=40)
    assert "api.test failed 3 times" in refusal.message


def test_a_success_in_between_starts_the_count_again(breaker):
    fail(breaker, times=2)
    call(breaker)
    fail(breaker, times=2)

    assert call(breaker) is False


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (Reason.RATE_LIMITED, Retryable),
        (Reason.BODY_TOO_LARGE, Retryable),
        (Reason.KEY_REJECTED, Permanent),
        (Reason.UPSTREAM_REFUSED, Permanent),
    ],
)
def test_a_refusal_is_a_sign_of_life(breaker, reason, error):
    fail(breaker, times=2)
    fail(breaker, reason, error=error)
    fail(breaker, times=2)

    assert call(breaker) is False


def test_a_call_that_was_never_sent_says_nothing(breaker):
    fail(breaker, times=2)
    fail(breaker, Reason.EGRESS_DENIED, error=Permanent)
    fail(breaker)

    refused(breaker)


def test_after_the_cool_down_one_probe_goes_through_and_closes_it(breaker, clock):
    fail(breaker, times=3)
    clock.sleep(60)
    with breaker.watch(HOST) as probing:
        assert probing
        refused(breaker)

    assert call(breaker) is False


def test_a_failed_probe_opens_it_for_another_cool_down(breaker, clock):
    fail(breaker, times=3)
    clock.sleep(60)
    fail(breaker)
    clock.sleep(59)
    refused(breaker)
    clock.sleep(1)

    assert call(breaker) is True


def test_a_probe_that_was_interrupted_lets_another_one_through(breaker, clock):
    fail(breaker, times=3)
    clock.sleep(60)
    with pytest.raises(KeyboardInterrupt), breaker.watch(HOST):
        raise KeyboardInterrupt

    assert call(breaker) is True


def test_hosts_do_not_share_a_circuit(breaker):
    fail(breaker, times=3)

    assert call(breaker, host="other.test") is False


def test_of_many_threads_one_alone_is_the_probe(breaker, clock):
    fail(breaker, times=3)
    clock.sleep(60)
    together = threading.Barrier(8)
    decided = threading.Barrier(8)
    outcomes = []

    def work():
        together.wait()
        try:
            with breaker.watch(HOST) as probing:
                outcomes.append(probing)
                decided.wait()
        except Retryable:
            outcomes.append(None)
            decided.wait()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes, key=str) == [None] * 7 + [True]


def test_during_an_outage_requests_stay_few_and_recovery_takes_one_probe(make_client, clock):
    """Ten minutes of 500s, a call every 5 s: three calls of two attempts, then a probe a minute."""
    client = make_client(retry={"max_attempts": 2}, random=lambda: 0.0)
    down = [answer(500)] * (3 * 2 + 9)
    with Wire(*down, answer(200, b"up")) as wire:
        for _ in range(600 // 5):
            with pytest.raises(Retryable):
                client.get(wire.url())
            clock.sleep(5)
        during = len(wire.received)
        clock.sleep(60)

        assert during == 3 * 2 + 9
        assert client.get(wire.url()).body == b"up"
        assert len(wire.received) == during + 1
