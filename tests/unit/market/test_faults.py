"""Each way of misbehaving, as a client sees it on the wire."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from hack.market.faults.poison import FIELDS, WHOLE

from support.waits import eventually, read_until

TICKERS = "/v1/tickers"
MARKETS = "/api/v3/coins/markets?vs_currency=usd&order=id_asc&per_page=10&page="


def connect(market):
    host, _, port = urlsplit(market.url).netloc.partition(":")
    return closing(socket.create_connection((host, int(port)), timeout=10))


def ask(link, target=TICKERS):
    link.sendall(f"GET {target} HTTP/1.1\r\nHost: market\r\n\r\n".encode())


def ids(market, query):
    return [row["id"] for row in market.fetch(query).json()]


def test_faults_are_played_in_the_order_of_the_queue_and_then_it_is_calm(market):
    market.control.fault("status", status=429, retry_after=2)
    market.control.fault("status", status=500)
    answers = [market.fetch(TICKERS) for _ in range(3)]

    assert [a.status for a in answers] == [429, 500, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert [entry["faults"] for entry in market.log] == [["status"], ["status"], []]


def test_a_rule_hits_only_what_it_matches_after_what_it_skips(market):
    market.control.rule({"kind": "status", "status": 503}, vendor="gecko", page=2, skip=1)
    seen = [market.fetch(f"{MARKETS}{page}").status for page in (1, 2, 2, 2)]

    assert seen == [200, 200, 503, 200]
    assert [(rule["hits"], rule["times"]) for rule in market.control.rules()] == [(1, 0)]


def test_a_rule_for_ever_ends_when_the_market_is_calmed(market):
    market.control.rule({"kind": "status"}, times="forever", path="*/tickers")
    seen = [market.fetch(TICKERS).status for _ in range(3)]
    other = market.fetch("/v1/contracts").status
    market.control.calm()

    assert (seen, other) == ([500, 500, 500], 200)
    assert market.fetch(TICKERS).status == 200


@pytest.mark.parametrize(
    ("shape", "status", "body"),
    [
        ("paprika", 402, {"error": "no"}),
        ("gecko_status", 429, {"status": {"error_code": 429, "error_message": "no"}}),
        ("gecko_error", 404, {"error": "no"}),
        ("numeric", 500, {"status": 500, "error": "no"}),
        ("binance", 418, {"code": 418, "msg": "no"}),
        ("kraken", 200, {"error": ["no"]}),
    ],
)
def test_errors_come_in_every_json_shape(market, shape, status, body):
    market.control.fault("status", status=status, shape=shape, message="no")
    answer = market.fetch(TICKERS)

    assert (answer.status, answer.json()) == (status, body)


def test_a_nested_error_carries_its_code_and_the_markets_time(market):
    shape = {"status": 401, "shape": "gecko_error_status", "code": 10012, "message": "365 days"}
    market.control.fault("status", **shape)
    answer = market.fetch("/api/v3/ping")

    assert answer.status == 401
    assert answer.json()["error"]["status"] == {
        "timestamp": "2026-01-15T12:00:00.000Z",
        "error_code": 10012,
        "error_message": "365 days",
    }


@pytest.mark.parametrize(
    ("shape", "kind", "start"),
    [
        ("html", "text/html; charset=UTF-8", b"<!DOCTYPE html>"),
        ("cloudflare_text", "text/plain", b"error code: 1015"),
        ("empty", None, b""),
    ],
)
def test_what_is_not_json_comes_with_status_200_too(market, shape, kind, start):
    market.control.fault("status", status=200, shape=shape)
    answer = market.fetch(TICKERS)

    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert answer.body.startswith(start)


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        (119, "119"),
        ("99999999999", "99999999999"),
        ("date:60", "Thu, 15 Jan 2026 12:01:00 GMT"),
        ("soon", "soon"),
        (None, None),
    ],
)
def test_retry_after_comes_in_every_form_and_not_at_all(market, asked, header):
    market.control.fault("status", status=429, retry_after=asked)

    assert market.fetch(TICKERS).headers["Retry-After"] == header


def test_a_redirect_leads_wherever_it_is_told(market):
    market.control.fault("redirect", location="http://169.254.169.254/latest/", status=307)
    answer = market.fetch(TICKERS)

    assert (answer.status, answer.headers["Location"]) == (307, "http://169.254.169.254/latest/")


def test_truncated_json_is_a_correct_http_message(market):
    whole = market.fetch(TICKERS).body
    market.control.fault("truncate", after=1000)

    assert market.fetch(TICKERS).body == whole[:1000]


@pytest.mark.parametrize("reset", [True, False])
def test_a_dropped_connection_ends_inside_the_body(market, reset):
    market.control.fault("drop", after=5000, reset=reset)

    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        market.fetch(TICKERS)
    entry = market.log[-1]
    assert (entry["bytes"], entry["complete"]) == (5000, False)


def test_a_connection_can_be_reset_before_the_status_line(market):
    market.control.fault("drop", after=-1)

    with connect(market) as link:
        ask(link)
        with pytest.raises(ConnectionResetError):
            link.recv(1)


def test_records_of_an_unfinished_answer_do_not_count_as_served(market):
    market.control.fault("drop", after=5000, reset=False)
    with pytest.raises(http.client.IncompleteRead):
        market.fetch(TICKERS)

    assert market.control.served() == []
    assert len(json.loads(market.fetch("/_control/served?all=1").body)) == 30


def test_a_body_shorter_than_its_length_is_cut_by_the_close(market):
    market.control.fault("wrong_length", error=100)

    with pytest.raises(http.client.IncompleteRead) as caught:
        market.fetch(TICKERS)
    assert caught.value.expected == 100


def test_a_body_longer_than_its_length_looks_cut(market):
    whole = market.fetch(TICKERS).body
    market.control.fault("wrong_length", error=-10)

    assert market.fetch(TICKERS).body == whole[:-10]


def test_a_drip_comes_in_pieces_of_a_tenth_of_its_rate(market):
    market.control.fault("drip", bytes_per_second=20)

    with connect(market) as link:
        ask(link, "/v1/tickers/btc-bitcoin")
        data = read_until(link, lambda read: read.count(b"\r\n") >= 12, what="twelve lines")
    assert b"\r\n\r\n2\r\n{" in data


def test_an_endless_body_goes_on_after_the_answer(market):
    whole = market.fetch(TICKERS).body
    market.control.fault("endless", filler="[]")

    with connect(market) as link:
        ask(link)
        read = sum(len(link.recv(65536)) for _ in range(200))
    assert read > 3 * len(whole)


def test_a_hanging_request_gets_nothing_while_others_are_served(market):
    market.control.fault("hang")

    with connect(market) as link:
        ask(link)
        eventually(lambda: market.log, what="the request is read, and so the rule used up")
        assert market.fetch(TICKERS).status == 200
        link.setblocking(False)
        with pytest.raises(BlockingIOError):
            link.recv(1)


def test_a_delayed_answer_is_whole(market):
    market.control.fault("delay", seconds=0.01)

    assert len(market.fetch(TICKERS).json()) == 30


def test_gzip_layers_unpack_to_the_answer(market):
    whole = market.fetch(TICKERS).body
    market.control.fault("gzip", layers=2)
    answer = market.fetch(TICKERS)

    assert answer.headers["Content-Encoding"] == "gzip, gzip"
    assert gzip.decompress(gzip.decompress(answer.body)) == whole


def test_a_bomb_is_one_valid_gzip_member_a_thousand_times_its_size(market):
    market.control.fault("bomb", mebibytes=8)
    packed = market.fetch(TICKERS).body
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    size = len(unpack.decompress(packed))

    assert (size, unpack.eof, unpack.unused_data) == (8 * 1024**2, True, b"")
    assert size / len(packed) > 500


def test_headers_can_be_anything(market):
    market.control.fault("headers", headers={"Content-Type": "text/plain", "X-Big": "x" * 60000})
    answer = market.fetch(TICKERS)

    assert answer.headers["Content-Type"] == "text/plain"
    assert len(answer.headers["X-Big"]) == 60000


def test_one_rule_can_play_several_faults(market):
    whole = market.fetch(TICKERS).body
    market.control.rule({"kind": "truncate", "after": 500}, {"kind": "gzip"})

    assert gzip.decompress(market.fetch(TICKERS).body) == whole[:500]


@pytest.mark.parametrize("what", sorted({*FIELDS, *WHOLE}))
@pytest.mark.parametrize("target", [TICKERS, f"{MARKETS}1"])
def test_poison_spoils_the_records_it_names_and_no_other(market, what, target):
    clean = market.fetch(target).body
    market.control.fault("poison", what=what, record=3)
    spoilt = market.fetch(target).body
    start, end = clean.split(b'{"id"')[3], clean.split(b'{"id"')[5]

    assert spoilt != clean
    assert spoilt.index(start) == clean.index(start)
    assert end in spoilt
    assert market.fetch(target).body == clean


def test_poison_writes_any_value_into_any_field_of_several_records(market):
    market.control.fault("poison", field="price", value="12,50", record=1, count=2)
    prices = [row["quotes"]["USD"]["price"] for row in market.fetch(TICKERS).json()]

    assert [n for n, price in enumerate(prices) if price == "12,50"] == [1, 2]


def test_poison_reaches_the_csv_file(market):
    market.control.fault("poison", what="nan", record=2)
    lines = market.fetch("/csv/coins.csv").body.decode().splitlines()

    assert lines[3].startswith("USDT,Tether,NaN,")


def test_a_reshuffle_loses_and_doubles_coins_in_a_walk_by_cap_but_not_by_id(market):
    market.control.rule({"kind": "reshuffle", "within": 20}, times="forever")
    by_cap = MARKETS.replace("id_asc", "market_cap_desc")
    shuffled = [i for page in (1, 2, 3) for i in ids(market, f"{by_cap}{page}")]
    steady = [i for page in (1, 2, 3) for i in ids(market, f"{MARKETS}{page}")]

    assert len(set(shuffled)) < 30
    assert len(set(steady)) == 30


def test_a_new_coin_between_pages_pushes_one_coin_onto_the_next_page(market):
    first = ids(market, f"{MARKETS}1")
    market.control.rule({"kind": "new_coin", "id": "000"}, page=2)
    second = ids(market, f"{MARKETS}2")

    assert second[0] == first[-1]
    assert ids(market, f"{MARKETS}1")[0] == "000"


def test_a_new_coin_that_is_there_already_is_said_to_be(market):
    market.control.fault("new_coin", id="000", times=2, vendor="gecko")
    first, second = (market.fetch(f"{MARKETS}1") for _ in range(2))

    assert (first.status, second.status) == (200, 500)
    assert second.body == b"market: '000' is there already: edit it, or relist it\n"


def test_a_repeated_page_comes_whatever_is_asked_for(market):
    market.control.rule({"kind": "repeat_page"}, times="forever")

    assert ids(market, f"{MARKETS}7") == ids(market, f"{MARKETS}1")
    assert [entry["page"] for entry in market.log] == [7, 1]


@pytest.mark.parametrize(
    "lines", [b"nonsense\r\n\r\n", b"x" * 70_000, b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_a_request_that_is_none_is_answered_400(market, lines):
    with connect(market) as link:
        link.sendall(lines)
        assert link.recv(65536).startswith(b"HTTP/1.1 400 ")
