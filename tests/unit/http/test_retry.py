"""docs/faults.md, F20 and F21: how often, how long, and when the wait belongs to the next run.

Times are virtual.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.http import TryAgain, parse_retry_after
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer, hang_up, silent

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITED = answer(429, b"{}", retry_after="2")


def test_429_then_500_then_200_is_one_answer_with_the_waits_honoured(make_client, clock):
    with Wire(LIMITED, answer(500), answer(200, b"[]")) as wire:
        response = make_client().get(wire.url())

    assert response.body == b"[]"
    assert response.attempts == 3
    assert clock.sleeps == [2.0, 1.0]
    assert response.waited_seconds == 3.0


def test_waits_double_under_full_jitter_up_to_the_cap(make_client, clock):
    client = make_client(
        retry={"max_attempts": 6, "max_delay_seconds": 6, "first_delay_seconds": 1}
    )
    with Wire(answer(503)) as wire, pytest.raises(Retryable):
        client.get(wire.url())

    assert clock.sleeps == [0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("drawn", "waits"), [(0.0, [0.0, 0.0]), (0.25, [0.25, 0.5]), (0.75, [0.75, 1.5])]
)
def test_the_jitter_spans_from_nothing_to_the_whole_bound(make_client, clock, drawn, waits):
    client = make_client(retry={"max_attempts": 3}, random=lambda: drawn)
    with Wire(answer(503)) as wire, pytest.raises(Retryable):
        client.get(wire.url())

    assert clock.sleeps == waits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, 9.0),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "40"}, 1.5),
        ({"retry_after": "60"}, 60.0),
        ({"retry_after": "0"}, 0.5),
        ({"retry_after": "-3"}, 0.5),
        ({"retry_after": "soon"}, 0.5),
        ({"retry_after": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, 0.5),
        ({}, 0.5),
    ],
)
def test_the_wait_is_the_one_asked_for_or_else_our_own(make_client, clock, headers, seconds):
    with Wire(answer(429, **headers), answer(200, b"x")) as wire:
        make_client().get(wire.url())

    assert clock.sleeps == [seconds]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("61", 61), ("119", 119), ("1e9", 366 * 86_400), ("9" * 400, 366 * 86_400)],
)
def test_a_longer_wait_than_the_cap_ends_the_call_at_once(make_client, clock, asked, seconds):
    with Wire(answer(429, retry_after=asked)) as wire:
        with pytest.raises(Retryable) as failure:
            make_client().get(wire.url())

        assert len(wire.received) == 1
    assert clock.sleeps == []
    assert failure.value.reason is Reason.RATE_LIMITED
    assert failure.value.retry_after == timedelta(seconds=seconds)


def test_503_may_ask_for_a_wait_as_well(make_client, clock):
    with Wire(answer(503, retry_after="3"), answer(200, b"x")) as wire:
        make_client().get(wire.url())

    assert clock.sleeps == [3.0]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answer(408), Reason.UPSTREAM_ERROR),
        (answer(425), Reason.UPSTREAM_ERROR),
        (answer(429), Reason.RATE_LIMITED),
        (answer(500), Reason.UPSTREAM_ERROR),
        (answer(502), Reason.UPSTREAM_ERROR),
        (answer(503), Reason.UPSTREAM_ERROR),
        (answer(504), Reason.UPSTREAM_ERROR),
        (answer(522), Reason.UPSTREAM_ERROR),
        (hang_up, Reason.UPSTREAM_UNREACHABLE),
    ],
)
def test_what_may_pass_is_tried_as_often_as_allowed(make_client, behaviour, reason):
    with Wire(behaviour) as wire:
        with pytest.raises(Retryable) as failure:
            make_client(retry={"max_attempts": 4}).get(wire.url("/p?secret-ish=1"))

        assert len(wire.received) == 4
        assert f"127.0.0.1:{wire.port}" in failure.value.message
    assert failure.value.reason is reason
    assert "4 attempts" in failure.value.message
    assert "secret-ish" not in failure.value.message


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.UPSTREAM_REFUSED),
        (401, Reason.KEY_REJECTED),
        (402, Reason.PLAN_TOO_LOW),
        (403, Reason.KEY_REJECTED),
        (404, Reason.UPSTREAM_REFUSED),
        (410, Reason.UPSTREAM_REFUSED),
        (418, Reason.UPSTREAM_REFUSED),
        (451, Reason.UPSTREAM_REFUSED),
        (499, Reason.UPSTREAM_REFUSED),
    ],
)
def test_a_refusal_is_final_at_the_first_attempt(make_client, clock, status, reason):
    with Wire(answer(status, b"<html>")) as wire:
        with pytest.raises(Permanent) as failure:
            make_client().get(wire.url("/v1/tickers?page=1"))

        assert len(wire.received) == 1
    assert clock.sleeps == []
    assert failure.value.reason is reason
    assert f"{status}" in failure.value.message
    assert "/v1/tickers" in failure.value.message
    assert "page" not in failure.value.message


def test_nobody_listening_is_unreachable_and_says_what_to_check(make_client):
    with Wire(hang_up) as wire:
        url = wire.url()

    with pytest.raises(Retryable, match="Check this machine's network") as failure:
        make_client(retry={"max_attempts": 2}).get(url)

    assert failure.value.reason is Reason.UPSTREAM_UNREACHABLE


def test_an_upstream_that_never_speaks_is_unreachable(make_client):
    client = make_client(retry={"max_attempts": 1}, limits={"read_seconds": 0.05})
    with Wire(silent) as wire, pytest.raises(Retryable) as failure:
        client.get(wire.url())

    assert failure.value.reason is Reason.UPSTREAM_UNREACHABLE


def test_a_vendor_may_call_its_own_error_final(make_client):
    seen = []

    def classify(got):
        seen.append(got)
        return Permanent(Reason.PLAN_TOO_LOW, "365 days") if b"10012" in got.head else None

    body = b'{"error":{"status":{"error_code":10012}}}'
    with Wire(answer(401, body, x_a="1")) as wire, pytest.raises(Permanent) as failure:
        make_client().get(wire.url(), classify=classify)

    assert failure.value.reason is Reason.PLAN_TOO_LOW
    assert (seen[0].status, seen[0].head, seen[0].headers["x-a"]) == (401, body, "1")


def test_a_vendor_may_call_a_200_a_throttle(make_client, clock):
    def classify(got):
        if b"Too many requests" in got.head:
            return TryAgain(reason=Reason.RATE_LIMITED, detail="throttled", retry_after_seconds=5.0)
        return None

    throttled = answer(200, b'{"error":["EGeneral:Too many requests"]}')
    with Wire(throttled, answer(200, b'{"error":[]}')) as wire:
        response = make_client().get(wire.url(), classify=classify)

    assert response.body == b'{"error":[]}'
    assert clock.sleeps == [5.0]


def test_a_vendor_sees_no_more_than_the_head_of_a_body(make_client):
    sizes = []
    with Wire(answer(200, bytes(100_000))) as wire:
        make_client().get(wire.url(), classify=lambda got: sizes.append(len(got.head)))

    assert sizes == [4096]


def test_an_error_whose_body_is_broken_is_still_that_error(make_client):
    broken = answer(403, b"\x1f\x8bnonsense", content_encoding="gzip")
    with Wire(broken) as wire, pytest.raises(Permanent) as failure:
        make_client().get(wire.url())

    assert failure.value.reason is Reason.KEY_REJECTED


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_header_is_a_positive_wait_or_none(after, milliseconds):
    wait = parse_retry_after({"retry-after": after, "retry-after-ms": milliseconds}, now=NOW)

    assert wait is None or 0 < wait <= 366 * 86_400


@given(st.integers(1, 10_000_000), st.sampled_from([-11, 0, 5]))
def test_dates_mean_the_same_in_every_zone(seconds, offset):
    moment = (NOW + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=offset)))

    assert parse_retry_after({"retry-after": format_datetime(moment)}, now=NOW) == seconds


@pytest.mark.parametrize("text", ["Sat, 21 Nov 2026 12:00:30 -0000", "Sat, 21 Nov 2026 12:00:30"])
def test_a_date_without_a_zone_is_utc(text):
    assert parse_retry_after({"retry-after": text}, now=NOW) == 30
