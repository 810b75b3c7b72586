"""The vendors' routes and payloads."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

MARKETS = "/api/v3/coins/markets?vs_currency=usd"


def test_tickers_have_the_free_plans_fields_and_every_coin(market):
    tickers = market.fetch("/v1/tickers").json()

    assert len(tickers) == 30
    assert list(tickers[0])[:4] == ["id", "name", "symbol", "rank"]
    assert tickers[0]["id"] == "btc-bitcoin"
    assert "circulating_supply" not in tickers[0]
    assert set(tickers[0]["quotes"]) == {"USD"}


def test_tickers_hold_the_extreme_prices_digit_for_digit(market):
    body = market.fetch("/v1/tickers").body

    assert b'"price":0.000000000000000001,' in body
    assert b'"price":1000000000000000000,' in body


def test_percentages_carry_float32_noise_for_some_coins(market):
    changes = [t["quotes"]["USD"]["percent_change_24h"] for t in market.fetch("/v1/tickers").json()]

    assert any(len(str(change)) > 10 for change in changes)


def test_quotes_in_other_currencies_have_no_all_time_high(market):
    quotes = market.fetch("/v1/tickers?quotes=USD,BTC").json()[0]["quotes"]

    assert quotes["USD"]["ath_price"] is not None
    assert quotes["BTC"]["ath_price"] is None


@pytest.mark.parametrize("quotes", ["USD,BTC,ETH,EUR", "XXX"])
def test_quotes_beyond_the_vendors_limits_are_refused(market, quotes):
    assert market.fetch(f"/v1/tickers?quotes={quotes}").status == 400


def test_a_single_ticker_is_an_object_and_an_unknown_one_is_not_found(market):
    assert market.fetch("/v1/tickers/eth-ethereum").json()["symbol"] == "ETH"
    missing = market.fetch("/v1/tickers/no-such")
    assert (missing.status, missing.json()) == (404, {"error": "id not found"})


def test_a_contracts_address_redirects_to_its_ticker(market):
    row = market.fetch("/v1/contracts/eth-ethereum").json()[0]
    answer = market.fetch(f"/v1/contracts/eth-ethereum/{row['address']}")

    assert answer.status == 301
    assert answer.headers["Location"] == f"/v1/tickers/{row['id']}"


def test_pages_by_id_cover_every_coin_once_and_end_with_a_short_page(market):
    pages = [market.fetch(f"{MARKETS}&order=id_asc&per_page=20&page={n}").json() for n in (1, 2, 3)]
    ids = [row["id"] for page in pages for row in page]

    assert [len(page) for page in pages] == [20, 10, 0]
    assert ids == sorted(set(ids))


def test_pages_by_cap_are_in_order_of_rank(market):
    ranks = [row["market_cap_rank"] for row in market.fetch(MARKETS).json()]
    known = [rank for rank in ranks if rank is not None]

    assert known == sorted(known)


def test_precision_full_keeps_the_digits_that_the_default_rounds_away(market):
    full = market.fetch(f"{MARKETS}&precision=full&ids=shiba-inu").json()[0]["current_price"]
    usual = market.fetch(f"{MARKETS}&ids=shiba-inu").json()[0]["current_price"]

    assert len(full.as_tuple().digits) > len(usual.as_tuple().digits)
    assert abs(full - usual) < Decimal("1e-9")


def test_shared_coins_cost_nearly_the_same_at_both_vendors(market):
    rows = market.fetch(f"{MARKETS}&precision=full&per_page=10").json()
    tickers = market.fetch("/v1/tickers").json()[:10]

    for row, ticker in zip(rows, tickers, strict=True):
        assert row["symbol"] == ticker["symbol"].lower()
        assert row["name"] == ticker["name"]
        price = Decimal(ticker["quotes"]["USD"]["price"])
        assert Decimal(row["current_price"]) == price * Decimal("1.0007")


def test_rows_mix_exponents_floats_integers_and_nulls(market):
    body = market.fetch(f"{MARKETS}&precision=full").body

    assert b'"current_price":1e-18' in body
    assert b'"max_supply":null' in body
    assert b'"roi":{"times":43.95' in body
    assert b".0," in body


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("", 422, "Missing parameter vs_currency"),
        ("vs_currency=zzz", 400, "invalid vs_currency"),
        ("vs_currency=usd&precision=99", 400, "invalid precision"),
        ("vs_currency=usd&order=volume_desc", 400, "the market knows"),
    ],
)
def test_a_query_the_vendor_would_refuse_is_refused(market, query, status, message):
    answer = market.fetch(f"/api/v3/coins/markets?{query}")

    assert answer.status == status
    assert answer.json()["error"].startswith(message)


def test_the_list_has_platforms_only_when_asked_for(market):
    plain = market.fetch("/api/v3/coins/list").json()
    full = market.fetch("/api/v3/coins/list?include_platform=true").json()

    assert "platforms" not in plain[0]
    assert any("ethereum" in coin["platforms"] for coin in full)


def test_contracts_join_the_same_coin_at_both_vendors(market):
    names = {t["id"]: t["name"] for t in market.fetch("/v1/tickers").json()}
    ours = {
        row["address"]: names[row["id"]]
        for row in market.fetch("/v1/contracts/eth-ethereum").json()
    }
    listed = market.fetch("/api/v3/coins/list?include_platform=true").json()
    theirs = {c["platforms"]["ethereum"]: c["name"] for c in listed if c["platforms"]}

    assert ours.keys() & theirs.keys()
    assert all(ours[a] == theirs[a] for a in ours.keys() & theirs.keys())


def test_ping_answers_as_the_vendor_does(market):
    assert market.fetch("/api/v3/ping").body == b'{"gecko_says":"(V3) To the Moon!"}'


def test_the_csv_file_holds_the_tickers_figures(market):
    rows = list(csv.DictReader(io.StringIO(market.fetch("/csv/coins.csv").body.decode())))
    tickers = market.fetch("/v1/tickers").json()

    assert [row["symbol"] for row in rows] == [t["symbol"] for t in tickers]
    assert [Decimal(r["price_usd"]) for r in rows] == [t["quotes"]["USD"]["price"] for t in tickers]
    assert rows[0]["created_at"] == tickers[0]["last_updated"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/v3/nothing", "/csv/other.csv", "/nothing"])
def test_what_is_not_there_is_not_found(market, path):
    assert market.fetch(path).status == 404
