"""docs/faults.md, F20: requests never above the bucket, under retries and from several threads."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Retryable
from cryptosource_etl.http import TokenBucket
from cryptosource_etl.http.token_bucket import bucket_key
from support.wire import Wire, answer


class SharedClock:
    """A virtual clock for many threads: it jumps to the end of whichever sleep is asked for."""

    def __init__(self, start):
        self._lock = threading.Lock()
        self._start = start
        self.elapsed = 0.0

    def now(self):
        return self._start + timedelta(seconds=self.elapsed)

    def monotonic(self):
        return self.elapsed

    def sleep(self, seconds):
        with self._lock:
            self.elapsed += seconds


def passing_times(bucket, clock, count, *, key="k"):
    times = []
    for _ in range(count):
        bucket.acquire(key)
        times.append(clock.elapsed)
    return times


def test_a_burst_goes_out_at_once_and_the_rest_evenly(clock):
    bucket = TokenBucket(requests_per_minute=30, burst=3, clock=clock)

    assert passing_times(bucket, clock, 6) == [0, 0, 0, 2, 4, 6]


def test_a_pause_fills_the_bucket_and_no_further(clock):
    bucket = TokenBucket(requests_per_minute=60, burst=2, clock=clock)
    passing_times(bucket, clock, 2)
    clock.sleep(3600)

    assert passing_times(bucket, clock, 4) == [3600, 3600, 3601, 3602]


def test_buckets_of_two_keys_do_not_share(clock):
    bucket = TokenBucket(requests_per_minute=1, burst=1, clock=clock)

    assert passing_times(bucket, clock, 1, key="a") == [0]
    assert passing_times(bucket, clock, 1, key="b") == [0]
    assert passing_times(bucket, clock, 1, key="a") == [60]


def test_after_a_penalty_requests_start_evenly_and_without_a_burst(clock):
    bucket = TokenBucket(requests_per_minute=60, burst=5, clock=clock)
    bucket.penalize("k", clock.now() + timedelta(seconds=10))

    assert passing_times(bucket, clock, 3) == [10, 11, 12]


def test_a_shorter_penalty_never_shortens_a_longer_one(clock):
    bucket = TokenBucket(requests_per_minute=60, burst=1, clock=clock)
    bucket.penalize("k", clock.now() + timedelta(seconds=10))
    bucket.penalize("k", clock.now() + timedelta(seconds=1))
    bucket.penalize("k", clock.now() - timedelta(seconds=99))

    assert passing_times(bucket, clock, 1) == [10]


@given(
    rate=st.integers(1, 6000),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=40),
)
def test_no_window_ever_holds_more_than_burst_and_rate_allow(virtual, rate, burst, pauses):
    clock = virtual()
    bucket = TokenBucket(requests_per_minute=rate, burst=burst, clock=clock)
    times = []
    for pause in pauses:
        clock.elapsed += pause
        times += passing_times(bucket, clock, 1)

    for first, start in enumerate(times):
        for count, end in enumerate(times[first:], start=1):
            assert count <= burst + (end - start) * rate / 60 + 1e-6


def test_threads_together_stay_within_the_bucket(clock):
    shared = SharedClock(clock.now())
    bucket = TokenBucket(requests_per_minute=60, burst=4, clock=shared)
    passed = []

    def work():
        for _ in range(25):
            bucket.acquire("k")
            passed.append(shared.elapsed)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(passed) == 100
    assert shared.elapsed >= 96


def test_retries_and_redirects_pay_like_every_request(make_client, clock):
    bucket = TokenBucket(requests_per_minute=6, burst=1, clock=clock)
    client = make_client(limiter=bucket, random=lambda: 0.0)
    with Wire(
        answer(302, location="/there"), answer(500), answer(302, location="/there"), answer(200)
    ) as wire:
        response = client.get(wire.url())

        assert len(wire.received) == 4
    assert clock.elapsed == 30
    assert response.waited_seconds == 30


def test_a_429_holds_back_everyone_who_shares_the_key(make_client, clock):
    bucket = TokenBucket(requests_per_minute=60_000, burst=10, clock=clock)
    client = make_client(limiter=bucket, retry={"max_attempts": 1})
    with Wire(answer(429, retry_after="20"), answer(200, b"x")) as wire:
        with pytest.raises(Retryable):
            client.get(wire.url(), auth_header=("x-key", "canary-key"))
        client.get(wire.url(), auth_header=("x-key", "another-key"))
        assert clock.elapsed == 0
        client.get(wire.url(), auth_header=("x-key", "canary-key"))

    assert clock.elapsed == 20


def test_an_absurd_wish_penalizes_for_an_hour_at_the_most(make_client, clock):
    bucket = TokenBucket(requests_per_minute=60_000, burst=1, clock=clock)
    client = make_client(limiter=bucket)
    with Wire(answer(429, retry_after="1000000"), answer(200, b"x")) as wire:
        with pytest.raises(Retryable):
            client.get(wire.url())
        client.get(wire.url())

    assert clock.elapsed == 3600


@given(st.text(min_size=6, max_size=60))
def test_the_name_of_a_bucket_tells_keys_apart_and_never_tells_them(secret):
    name = bucket_key("api.test", secret)

    assert name.startswith("api.test#")
    assert secret not in name.partition("#")[2] or len(secret) < 6
    assert name == bucket_key("api.test", secret)
    assert name != bucket_key("api.test", secret + "x")
    assert name != bucket_key("other.test", secret)
    assert name != bucket_key("api.test", None)
