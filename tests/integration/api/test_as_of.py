"""`as_of=`: what was known then, corrections and withdrawals undone, and never a guess."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from sqlalchemy import URL

from cryptosource_api.coins.models import Coin, Record
from cryptosource_api.http.models import Listing, Single
from support.api import ApiClient, exact, pages
from support.oracle import execute, value
from support.readers import coin
from support.replays import RuledSource, record, rejecting
from support.runs import identity, load

SHOWN = (
    "price_usd",
    "market_cap_usd",
    "rank",
    "observed_at",
    "source",
    "sources",
    "spread_percent",
)


def now(database: URL) -> str:
    moment: datetime = value(database, "SELECT clock_timestamp()")
    return quote(moment.isoformat())


def records(api: ApiClient, query: str = "") -> list[dict]:
    """Walk through a list by cursor."""
    found = []
    for response in pages(api, f"/data?limit=2&{query}"):
        Listing[Record].model_validate_json(response.content)
        found += exact(response)["data"]
    return found


def shown(found: list[dict]) -> dict[int, tuple]:
    return {each["asset_id"]: tuple(map(str, (each[name] for name in SHOWN))) for each in found}


def test_each_moment_is_told_as_data_told_it_then(database: URL, api: ApiClient):
    """Loads by two sources: new coins, newer observations, corrections, late ones, other ranks."""
    pins = {"btc-b": "scope-a:btc"}
    steps = [
        lambda: load(database, [coin("btc", symbol="BTC", price="100", rank=2, cap="9")]),
        lambda: load(database, [coin("eth", symbol="ETH", price="7", rank=1)]),
        lambda: load(database, [coin("btc", symbol="BTC", price="101", rank=2)]),
        lambda: load(database, [coin("btc", symbol="BTC", price="90", rank=3, at=-60)]),
        lambda: load(
            database,
            [coin("btc-b", symbol="BTC", price="110", rank=1, at=5), coin("x", symbol="X")],
            source=identity("b"),
            pins=pins,
        ),
        lambda: load(database, [coin("btc", symbol="BTC", price=None, rank=5, at=9)]),
        lambda: load(database, [coin("btc", symbol="BTC", price="103", rank=5, at=9)]),
        lambda: load(database, [coin("btc", symbol="BTC", price="104", at=10)]),
    ]
    moments: list[tuple[str, dict, dict, list]] = []
    for step in steps:
        assert step().status == "success"
        at = now(database)
        own = shown(records(api, "sort=asset_id&source=a"))
        history = api.get("/data/BTC/history").json()["data"]
        moments.append((at, shown(records(api, "sort=asset_id")), own, history))

    for at, everything, own, history in moments:
        assert shown(records(api, f"as_of={at}")) == everything
        assert shown(records(api, f"as_of={at}&source=a")) == own
        told = api.get(f"/data/BTC/history?as_of={at}").json()["data"]
        keys = ("observed_at", "source", "price_usd", "rank", "market_cap_usd")
        assert [[o[k] for k in keys] for o in told] == [[o[k] for k in keys] for o in history]
        exported = api.get(f"/data?as_of={at}&format=ndjson").text.splitlines()
        assert shown([json.loads(line, parse_float=Decimal) for line in exported]) == everything


def test_one_coin_is_told_as_it_was_with_every_view(database: URL, api: ApiClient):
    load(database, [coin("btc", symbol="BTC", price="1")])
    at = now(database)
    load(database, [coin("btc", symbol="BTC", price="2")])
    load(
        database,
        [coin("b", symbol="BTC", price="2")],
        source=identity("b"),
        pins={"b": "scope-a:btc"},
    )

    then = Single[Coin].model_validate_json(api.get(f"/data/BTC?as_of={at}").content).data
    today = Single[Coin].model_validate_json(api.get("/data/BTC").content).data

    assert (then.price_usd, [view.price_usd for view in then.views]) == (1, [1])
    assert (today.price_usd, len(today.views)) == (2, 2)
    assert then.asset_id == today.asset_id


def test_what_a_replay_withdrew_was_known_until_then(database: URL, api: ApiClient):
    source = RuledSource(url=database)
    source.load(record("btc", price="5"), record("eth", price="6"))
    at = now(database)
    source.replay(rejecting("eth"))

    assert [each["symbol"] for each in records(api, "sort=asset_id")] == ["BTC"]
    assert [each["price_usd"] for each in records(api, f"as_of={at}")] == [5, 6]


def test_a_coin_of_which_nothing_was_known_yet_is_not_there(database: URL, api: ApiClient):
    load(database, [coin("btc", symbol="BTC")])
    at = now(database)
    load(database, [coin("new", symbol="NEW")])

    assert len(records(api, f"as_of={at}")) == 1
    assert records(api, f"as_of={at}&symbol=new") == []
    assert api.get(f"/data/NEW?as_of={at}").status_code == 404
    assert api.get(f"/data/NEW/history?as_of={at}").json()["data"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/data?",
        "/data/BTC?",
        "/data/BTC/history?",
        "/data?format=csv&",
        "/data/BTC/history?format=csv&",
    ],
)
def test_what_cannot_be_known_is_refused_with_the_reason(database: URL, api: ApiClient, path: str):
    load(database, [coin("btc", symbol="BTC")])
    ahead = quote((datetime.now(UTC) + timedelta(hours=1)).isoformat())

    assert "future" in api.get(f"{path}as_of={ahead}").text
    early = api.get(f"{path}as_of=2020-01-01")
    assert early.status_code == 422
    assert "can be told from 20" in early.json()["errors"][0]["detail"]
    execute(database, "DELETE FROM knowledge")
    assert "from nothing on" not in api.get(f"{path}as_of=2020-01-01").text


def test_another_sort_than_by_asset_id_is_refused(api: ApiClient):
    refused = api.get("/data?as_of=2026-11-20&sort=rank")

    assert refused.status_code == 422
    assert "by asset_id" in refused.text


def test_pages_as_of_a_moment_follow_each_other_in_descending_order(database: URL, api: ApiClient):
    load(database, [coin(f"c{n}", symbol=f"C{n}") for n in range(50)])
    at = now(database)
    ids = [each["asset_id"] for each in records(api, f"as_of={at}&order=desc")]

    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 50
