"""Keys, buckets, quotas, validators and the log."""

from __future__ import annotations

import hashlib
import http.client
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hack.market.clock import NOON
from hack.market.limits import Gate, Limit, retry_after
from hypothesis import given
from hypothesis import strategies as st

DEMO, PRO = "x-cg-demo-api-key", "x-cg-pro-api-key"
TICKERS, PING = "/v1/tickers", "/api/v3/ping"


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (PING, {}, 200, None),
        (PING, {DEMO: "d"}, 200, None),
        (PING, {PRO: "p"}, 400, 10010),
        (PING, {DEMO: "p"}, 400, 10010),
        (PING, {DEMO: "wrong"}, 401, 10002),
        (f"/pro{PING}", {}, 401, 10002),
        (f"/pro{PING}", {PRO: "p"}, 200, None),
        (f"/pro{PING}", {DEMO: "d"}, 400, 10011),
        (f"/pro{PING}", {PRO: "d"}, 400, 10011),
    ],
)
def test_coingecko_pairs_keys_with_hosts(market, target, headers, status, code):
    market.control.key("d", "demo")
    market.control.key("p", "pro")
    answer = market.fetch(target, headers)

    assert answer.status == status
    assert answer.json().get("status", {}).get("error_code") == code


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (TICKERS, {}, 200),
        (TICKERS, {"Authorization": "k"}, 200),
        (TICKERS, {"Authorization": "Bearer k"}, 403),
        (f"/pro{TICKERS}", {}, 403),
        (f"/pro{TICKERS}", {"Authorization": "k"}, 200),
        ("/v1/key/info", {}, 403),
    ],
)
def test_coinpaprika_takes_its_key_raw_and_asks_for_it_on_the_paid_host(
    market, target, headers, status
):
    market.control.key("k", "paprika")
    answer = market.fetch(target, headers)

    assert answer.status == status
    if status == 403:
        assert list(answer.json()) == ["error"]


def test_a_wrong_header_is_noticed_without_configured_keys(market):
    assert market.fetch(PING, {PRO: "anything"}).status == 400
    assert market.fetch(f"/pro{PING}", {DEMO: "anything"}).status == 400


@pytest.mark.parametrize(
    "target",
    [f"{PING}?x_cg_demo_api_key=secret", f"{TICKERS}?quotes=secret", "/v1/tickers/secret"],
)
def test_the_log_tells_when_a_key_was_in_the_url(market, target):
    market.control.key("secret", "demo")
    market.fetch(target)
    market.fetch(PING, {DEMO: "secret"})

    assert [entry["key_in_url"] for entry in market.log] == [True, False]


def test_the_bucket_refuses_what_is_too_fast_and_refills_with_time(market):
    market.control.limit("gecko", requests_per_minute=1, burst=2)
    first = [market.fetch(PING) for _ in range(3)]
    market.control.advance(60)

    assert [a.status for a in first] == [200, 200, 429]
    assert first[2].json()["status"]["error_code"] == 429
    assert int(first[2].headers["Retry-After"]) <= 60
    assert market.fetch(PING).status == 200
    assert [entry["limited"] for entry in market.log] == [False, False, True, False]


def test_callers_are_counted_by_key_and_vendors_apart(market):
    market.control.limit("gecko", requests_per_minute=1)

    assert [market.fetch(PING, {DEMO: key}).status for key in "aba"] == [200, 200, 429]
    assert market.fetch(TICKERS).status == 200


def test_the_months_quota_ends_with_the_vendors_status_and_begins_anew_next_month(market):
    market.control.limit("paprika", monthly=1, quota_status=402, retry_after="none")
    answers = [market.fetch(TICKERS) for _ in range(2)]
    market.control.advance(17 * 86400)

    assert [a.status for a in answers] == [200, 402]
    assert answers[1].json() == {"error": "you have reached maximum request limit"}
    assert answers[1].headers["Retry-After"] is None
    assert market.fetch(TICKERS).status == 200


def test_key_answers_report_what_is_left(market):
    market.control.limit("paprika", monthly=10)
    market.control.limit("gecko", monthly=10, requests_per_minute=30, burst=9)
    market.fetch(TICKERS, {"Authorization": "k"})
    market.fetch(f"/pro{PING}", {PRO: "p"})

    info = market.fetch("/v1/key/info", {"Authorization": "k"}).json()
    assert info["usage"]["current_month"] == {"requests_made": 1, "requests_left": 9}
    key = market.fetch("/pro/api/v3/key", {PRO: "p"}).json()
    assert key["rate_limit_request_per_minute"] == 30
    assert key["current_remaining_monthly_calls"] == 9


def test_who_does_not_listen_is_banned_with_418(market):
    market.control.limit("paprika", requests_per_minute=1, ban_after=2, ban_seconds=3600)
    seen = [market.fetch(TICKERS).status for _ in range(4)]
    market.control.advance(1800)
    banned = market.fetch(TICKERS).status
    market.control.advance(1800)

    assert (seen, banned) == ([200, 429, 429, 418], 418)
    assert market.fetch(TICKERS).status == 200


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=60),
    st.integers(1, 5),
    st.sampled_from([6, 30, 60, 600]),
)
def test_the_bucket_never_lets_through_more_than_its_rate(gaps, burst, rate):
    gate = Gate(Limit(requests_per_minute=rate, burst=burst))
    at, admitted = 0.0, 0
    for gap in gaps:
        at += gap
        admitted += gate.admit("me", at=at, now=NOON) is None

    assert admitted <= burst + at * rate / 60 + 1e-6


@pytest.mark.parametrize(
    ("style", "header"),
    [
        ("seconds", {"Retry-After": "2"}),
        ("date", {"Retry-After": "Thu, 15 Jan 2026 12:00:02 GMT"}),
        ("none", {}),
        ("-5", {"Retry-After": "-5"}),
    ],
)
def test_a_limits_retry_after_rounds_up_and_has_every_form(style, header):
    assert retry_after(style, 1.2, NOON) == header


def test_an_unchanged_snapshot_is_answered_304(market):
    tag = market.fetch(TICKERS).headers["ETag"]
    again = market.fetch(TICKERS, {"If-None-Match": tag})

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)


def test_the_etag_changes_with_the_query_an_edit_a_drift_and_the_tick(market):
    tags = [market.fetch(TICKERS).headers["ETag"]]
    tags.append(market.fetch(f"{TICKERS}?quotes=BTC").headers["ETag"])
    market.control.edit("paprika", "btc-bitcoin", price=1)
    tags.append(market.fetch(TICKERS).headers["ETag"])
    market.control.drift("paprika", "rank", at=NOON + timedelta(seconds=10))
    tags.append(market.fetch(TICKERS).headers["ETag"])
    market.control.advance(10)
    tags.append(market.fetch(TICKERS).headers["ETag"])
    market.control.advance(300)
    tags.append(market.fetch(TICKERS).headers["ETag"])

    assert len(set(tags)) == 6


def test_equal_histories_have_equal_etags_and_others_do_not(market):
    def tag(price):
        market.control.reset()
        market.control.edit("paprika", "btc-bitcoin", price=price)
        return market.fetch(TICKERS).headers["ETag"]

    assert tag(1) == tag(1)
    assert tag(1) != tag(2)


def test_a_spoilt_answer_has_no_etag_and_is_never_a_304(market):
    tag = market.fetch(TICKERS).headers["ETag"]
    market.control.fault("poison", what="nan")
    spoilt = market.fetch(TICKERS, {"If-None-Match": tag})

    assert (spoilt.status, spoilt.headers["ETag"]) == (200, None)


def test_etags_can_be_switched_off(market):
    market.control.etag(enabled=False)

    assert market.fetch(TICKERS).headers["ETag"] is None


def test_the_log_holds_what_came_and_what_went(market):
    answer = market.fetch(f"{TICKERS}?quotes=USD", {"Authorization": "k", "User-Agent": "me"})
    (entry,) = market.log

    assert entry["headers"]["authorization"] == "k"
    assert entry["headers"]["user-agent"] == "me"
    assert (entry["method"], entry["path"], entry["query"]) == ("GET", TICKERS, {"quotes": "USD"})
    assert (entry["status"], entry["bytes"]) == (200, len(answer.body))
    assert (entry["vendor"], entry["records"], entry["complete"]) == ("paprika", 30, True)
    assert entry["time"] == "2026-01-15T12:00:00.000Z"


def test_served_records_carry_the_hash_of_their_bytes(market):
    body = market.fetch("/v1/tickers/btc-bitcoin").body
    (served,) = market.control.served("paprika")

    assert served.id == "btc-bitcoin"
    assert served.digest == hashlib.blake2b(body, digest_size=16).hexdigest()


def test_one_connection_carries_many_requests_and_head_has_no_body(market):
    with closing(http.client.HTTPConnection(urlsplit(market.url).netloc, timeout=10)) as link:
        for method, records in (("GET", 30), ("HEAD", 0), ("GET", 30)):
            link.request(method, TICKERS)
            assert link.getresponse().read().count(b'"symbol"') == records
            assert link.sock is not None
    assert len({entry["client"] for entry in market.log}) == 1
