"""Telling the market what its coins do."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hack.market import Raw
from hack.market.clock import NOON
from hack.market.control import Control, ControlError, over_http

from support.market import CHECKOUT, market_process, running_market

RECORDED = Path(os.environ.get("CRYPTOSOURCE_RECORDED_DATA") or CHECKOUT.parent / "shared/data")


def tickers(market):
    return {t.get("id"): t for t in market.fetch("/v1/tickers").json()}


def test_an_edited_price_is_served_digit_for_digit_and_alone(market):
    before = tickers(market)
    market.control.edit("paprika", "eth-ethereum", price=Decimal("0.1234567890123456789012345"))
    after = tickers(market)

    assert b"0.1234567890123456789012345" in market.fetch("/v1/tickers").body
    assert [i for i in before if before[i] != after[i]] == ["eth-ethereum"]


def test_fields_can_be_dropped_and_given_any_text(market):
    market.control.edit("gecko", "bitcoin", drop=["roi"], price=Raw("1e400"), name=None)
    body = market.fetch("/api/v3/coins/markets?vs_currency=usd&ids=bitcoin").body

    assert b'"current_price":1e400' in body
    assert b'"name":null' in body
    assert b"roi" not in body


def test_a_delisted_coin_is_gone_until_it_is_relisted_at_its_place(market):
    order = list(tickers(market))
    market.control.delist("paprika", "eth-ethereum")
    gone = list(tickers(market))
    market.control.relist("paprika", "eth-ethereum")

    assert [i for i in order if i != "eth-ethereum"] == gone
    assert list(tickers(market)) == order


def test_a_renamed_coin_keeps_its_figures_under_the_new_id(market):
    old = tickers(market)["eth-ethereum"]
    market.control.rename("paprika", "eth-ethereum", "ethx-etherx")

    assert tickers(market)["ethx-etherx"] == {**old, "id": "ethx-etherx"}
    assert "eth-ethereum" not in tickers(market)


def test_an_added_coin_is_served_from_its_own_record(market):
    market.control.add("gecko", "zzz", record={"symbol": "z", "current_price": Decimal("1E-18")})
    body = market.fetch("/api/v3/coins/markets?vs_currency=usd&ids=zzz").body

    assert body == b'[{"id":"zzz","symbol":"z","current_price":1E-18}]'


def test_a_drift_begins_at_its_time(market):
    market.control.drift("paprika", "rank", rename_to="position", at=NOON + timedelta(hours=1))
    before = tickers(market)["btc-bitcoin"]
    market.control.advance(3600)
    after = tickers(market)["btc-bitcoin"]

    assert before["rank"] == after["position"] == 1
    assert "rank" not in after


def test_a_drift_adds_removes_and_retypes_fields_of_every_record(market):
    market.control.drift("gecko", "market_cap_rank_with_rehypothecated", value=5)
    market.control.drift("gecko", "image")
    market.control.drift("gecko", "price", value={"usd": 1})
    rows = market.fetch("/api/v3/coins/markets?vs_currency=usd").json()

    assert all(row["market_cap_rank_with_rehypothecated"] == 5 for row in rows)
    assert not any("image" in row for row in rows)
    assert all(row["current_price"] == {"usd": 1} for row in rows)


def test_last_updated_can_be_frozen_or_in_the_future(market):
    market.control.freeze_updated("paprika", NOON + timedelta(days=365))

    assert {t["last_updated"] for t in tickers(market).values()} == {"2027-01-15T12:00:00Z"}


def test_time_moves_prices_only_when_a_refresh_has_passed(market):
    first = market.fetch("/v1/tickers").body
    market.control.advance(60)
    same = market.fetch("/v1/tickers").body
    market.control.advance(300)

    assert first == same
    assert market.fetch("/v1/tickers").body != same


def test_another_universe_is_served_at_once(market):
    market.control.universe(coins=3, seed=9)

    assert len(tickers(market)) == 3
    assert market.control.state()["coins"] == {"paprika": 3, "gecko": 3}


def test_reset_forgets_edits_rules_keys_and_the_log(market):
    original = market.fetch("/v1/tickers").body
    market.control.edit("paprika", "btc-bitcoin", price=1)
    market.control.fault("status", times="forever")
    market.control.key("k", "paprika")
    market.control.reset()

    assert market.log == []
    assert market.fetch("/v1/tickers", {"Authorization": "other"}).body == original


def test_a_recording_is_served_with_the_digits_of_the_file(market, tmp_path):
    text = (
        '[{"id":"a","symbol":"A","x":1.10,"roi":{"times":-8.6889947714e-08}},{"id":"b","x":null}]'
    )
    path = tmp_path / "tickers.json"
    path.write_text(text)
    market.control.recording("paprika", path)

    assert market.fetch("/v1/tickers").body.decode() == text
    with running_market(recordings={"gecko": path}) as other:
        assert other.fetch("/api/v3/coins/markets?vs_currency=usd").body.decode() == text


@pytest.mark.parametrize("content", ["{}", '[{"no":"id"}]', "[1]"])
def test_a_recording_without_records_is_refused_and_nothing_changes(market, tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_text(content)

    with pytest.raises(ControlError, match=r"bad\.json"):
        market.control.recording("gecko", path)
    assert len(tickers(market)) == 30


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        ("dance", {}, "no command 'dance'"),
        ("edit", {"vendor": "paprika", "id": "nobody"}, "not listed"),
        ("edit", {"vendor": "nobody", "id": "btc-bitcoin"}, "no vendor"),
        ("rule", {"fault": {"kind": "flood"}}, "no fault is called 'flood'"),
        ("rule", {"fault": {"kind": "drip", "speed": 1}}, "speed"),
        ("rule", {"fault": {"kind": "hang"}, "match": {"vendor": "coingecko"}}, "no vendor"),
        ("rule", {"faults": []}, "needs a fault"),
        ("rule", {"fault": {"kind": "poison"}}, "needs `what` or `field`"),
        ("rule", {"fault": {"kind": "poison", "what": "tea"}}, "no poison"),
        ("rule", {"fault": {"kind": "status", "shape": "round"}}, "no shape"),
        ("rule", {"fault": {"kind": "hang"}, "when": 1}, "a rule has no when"),
        ("rule", {"fault": {"kind": "hang"}, "match": {"host": 1}}, "host"),
        ("key", {"key": "k", "kind": "gold"}, "not 'gold'"),
        ("relist", {"vendor": "gecko", "id": "bitcoin"}, "was not delisted"),
        ("rename", {"vendor": "gecko", "id": "bitcoin", "to": "ethereum"}, "taken"),
        ("add", {"vendor": "gecko", "id": "bitcoin"}, "there already"),
    ],
)
def test_a_command_nobody_understands_says_what_is_wrong(market, verb, arguments, message):
    for send in (over_http(market.url), market.control._send):
        with pytest.raises(ControlError, match=message):
            send(verb, arguments)


def test_control_over_http_does_what_control_in_process_does(market):
    Control(over_http(market.url)).edit("paprika", "btc-bitcoin", price=Decimal("1e-18"))

    assert b'"price":1E-18' in market.fetch("/v1/tickers/btc-bitcoin").body
    assert [entry["path"] for entry in market.log] == ["/v1/tickers/btc-bitcoin"]


def test_the_log_and_the_state_can_be_read_with_get(market):
    market.fetch("/v1/tickers")

    assert json.loads(market.fetch("/_control/log?vendor=gecko").body) == []
    assert len(json.loads(market.fetch("/_control/served").body)) == 30


def test_a_market_in_its_own_process_serves_the_same_and_obeys(market):
    with market_process("--coins", "30", "--refresh-seconds", "300") as other:
        assert other.fetch("/v1/tickers").body == market.fetch("/v1/tickers").body
        other.control.delist("paprika", "btc-bitcoin")
        assert len(tickers(other)) == 29


@pytest.mark.parametrize("option", ["--port={port}", "--port=99999", "--gecko-file=/nowhere.json"])
def test_a_market_that_cannot_start_says_why_in_one_line(market, option):
    command = [sys.executable, "-m", "hack.market", option.format(port=urlsplit(market.url).port)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("market: ")
    assert ended.stderr.count("\n") == 1


def test_a_market_stops_while_an_endless_answer_is_not_read():
    with running_market(coins=1) as market:
        market.control.fault("endless")
        link = http.client.HTTPConnection(urlsplit(market.url).netloc, timeout=5)
        link.request("GET", "/v1/tickers")
        answer = link.getresponse()
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        answer.read()
    link.close()


@pytest.mark.recorded
def test_a_real_recording_is_served_with_every_value_as_recorded(market):
    path = RECORDED / "coingecko/markets_usd_57coins_2022-01-06.json"
    if not path.exists():
        pytest.skip(f"no recorded market data at {RECORDED}")
    market.control.recording("gecko", path)
    rows = market.fetch("/api/v3/coins/markets?vs_currency=usd").json()

    assert rows == json.loads(path.read_bytes(), parse_float=Decimal)


def test_a_stopped_market_frees_its_port_and_its_open_connections():
    with running_market(coins=1) as market:
        link = http.client.HTTPConnection(urlsplit(market.url).netloc, timeout=5)
        link.request("GET", "/v1/tickers")
        assert link.getresponse().read()
        assert link.sock is not None
        open_end = link.sock
    assert open_end.recv(1) == b""
    link.close()
    with pytest.raises(ConnectionRefusedError):
        market.fetch("/v1/tickers")
