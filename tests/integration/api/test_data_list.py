"""GET /data: digits, filters, pages."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from cryptosource_api.coins.models import Record
from cryptosource_api.http.models import Listing, Problem
from cryptosource_store.quote_fields import FIGURES, FieldKind, QuoteField
from cryptosource_store.statements.record_pages import SORT_KEYS
from support.api import NOON, ApiClient, Market, exact, pages

SORTS = tuple(SORT_KEYS)


def fill(market: Market, source: int, count: int) -> list[int]:
    """Coins with ties, gaps and nulls in every column."""
    dice = random.Random(7)

    def maybe(value):
        return None if dice.random() < 0.3 else value

    def figure(field: QuoteField) -> Decimal:
        lowest = -5 if field.kind is FieldKind.PERCENT else 0
        return Decimal(dice.randrange(lowest, 5)) / 3

    return [
        market.coin(
            maybe(f"C{dice.randrange(8)}"),
            source,
            slug=f"coin-{n}",
            name=maybe(f"Coin {dice.randrange(5)}"),
            rank=maybe(dice.randrange(10)),
            **{field.name: maybe(figure(field)) for field in FIGURES},
            observed_at=NOON + timedelta(hours=dice.randrange(4)),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(
    "digits",
    [
        "0.000000000000000001",
        "1000000000000000000",
        "12345678901234567890123456789012345678",
        "0.12345678901234567890123456789012345678",
        "43250.120000",
        "0",
    ],
)
def test_a_price_comes_back_digit_for_digit(api: ApiClient, market: Market, digits):
    market.coin("BTC", market.source("gecko"), price_usd=Decimal(digits), rank=1)

    for query in ("", "?source=gecko", "?ticker=BTC"):
        body = api.get(f"/data{query}").text
        assert f'"price_usd":{digits},' in body


def test_unknown_stays_null_and_the_form_is_the_declared_one(api: ApiClient, market: Market):
    market.coin(None, market.source("gecko"), slug="nameless")

    response = api.get("/data")

    page = Listing[Record].model_validate_json(response.content)
    record = page.data[0]
    assert (record.id, record.symbol, record.price_usd, record.rank) == (
        "~nameless",
        None,
        None,
        None,
    )
    assert record.sources == ["gecko"]
    assert '"observed_at":"2026-11-20T12:00:00Z"' in response.text
    assert response.headers["x-request-id"] == page.meta.request_id


def test_an_empty_database_is_an_empty_page(api: ApiClient):
    page = Listing[Record].model_validate_json(api.get("/data").content)

    assert (page.data, page.pagination.total, page.pagination.next_cursor) == ([], 0, None)


def test_two_coins_with_one_ticker_stay_two(api: ApiClient, market: Market):
    source = market.source("gecko")
    owner = market.coin("ETH", source, slug="ethereum", rank=2)
    other = market.coin("ETH", source, slug="ether-fork", rank=900)

    assert [r["id"] for r in api.get("/data?symbol=eth").json()["data"]] == [
        "ETH",
        "ETH~ether-fork",
    ]
    assert [r["asset_id"] for r in api.get("/data?ticker=eth").json()["data"]] == [owner]
    assert api.get("/data/ETH~ether-fork").json()["data"]["asset_id"] == other


def test_a_symbol_with_a_tilde_never_passes_for_a_slug(api: ApiClient, market: Market):
    source = market.source("gecko")
    bitcoin = market.coin("BTC", source, slug="bitcoin", rank=1)
    impostor = market.coin("XBT~BITCOIN", source, slug="impostor", rank=2)

    assert api.get("/data/XBT~bitcoin").json()["data"]["asset_id"] == bitcoin
    listed = api.get("/data?ticker=XBT~BITCOIN").json()["data"][0]
    assert (listed["asset_id"], listed["id"]) == (impostor, "XBT~BITCOIN~impostor")
    assert api.get(f"/data/{listed['id']}").json()["data"]["asset_id"] == impostor


@pytest.mark.parametrize("path", ["A/B", "A%2FB", "%C5%81%C3%93D%C5%B9", "%24%E2%82%AC"])
def test_ids_with_odd_characters_resolve(api: ApiClient, market: Market, path):
    source = market.source("gecko")
    for n, symbol in enumerate(("A/B", "ŁÓDŹ", "$€")):
        market.coin(symbol, source, slug=f"odd-{n}")

    assert api.get(f"/data/{path}").status_code == 200
    assert api.get(f"/data/{path}/history").status_code == 200


def test_partial_match_takes_wildcards_literally(api: ApiClient, market: Market):
    source = market.source("gecko")
    for symbol in ("A%B", "AXB", "A_B", "A\\B", "ZAB"):
        market.coin(symbol, source, slug=f"s-{ord(symbol[1])}")

    def found(symbol: str) -> set[str]:
        query = {"symbol": symbol, "match": "partial"}
        return {r["symbol"] for r in api.get("/data", params=query).json()["data"]}

    assert found("%") == {"A%B"}
    assert found("_") == {"A_B"}
    assert found("\\") == {"A\\B"}
    assert found("ab") == {"ZAB"}


def test_source_narrows_to_its_own_records(api: ApiClient, market: Market):
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    asset = market.coin("BTC", gecko, rank=1, price_usd=10)
    market.record(
        asset, paprika, external_id="btc-bitcoin", symbol="BTC", price_usd=Decimal("10.5")
    )
    market.changed(f"source:{paprika}", 1)
    market.changed("unified")

    by_name = exact(api.get("/data?source=paprika"))
    assert [(r["source"], r["price_usd"]) for r in by_name["data"]] == [
        ("paprika", Decimal("10.5"))
    ]
    assert by_name["pagination"]["total"] == 1
    assert exact(api.get("/data?source=CoinPaprika"))["data"] == by_name["data"]
    assert api.get("/data?source=paprika&namespace=elsewhere").json()["data"] == []
    assert api.get("/data?namespace=crypto").json()["pagination"]["total"] == 2
    assert api.get("/data?source=nobody").json()["pagination"]["total"] == 0


def retire(market: Market, source: int) -> None:
    market.run_sql("UPDATE sources SET retired_at = now() WHERE source_id = :s", s=source)


def test_a_retired_source_still_answers_to_its_name_and_its_coins_stay(
    api: ApiClient, market: Market
):
    gone, kept = market.source("gone", "csv"), market.source("kept", "csv")
    market.coin("OLD", gone, price_usd=1)
    market.coin("NEW", kept, price_usd=2)
    retire(market, gone)

    assert [r["symbol"] for r in api.get("/data?source=gone").json()["data"]] == ["OLD"]
    assert [r["symbol"] for r in api.get("/data?source=csv").json()["data"]] == ["NEW"]
    assert {r["symbol"] for r in api.get("/data").json()["data"]} == {"OLD", "NEW"}


def test_a_name_means_the_source_that_goes_by_it_now(api: ApiClient, market: Market):
    gone = market.source("gecko", "csv", uid="old")
    market.coin("OLD", gone, price_usd=1)
    retire(market, gone)
    market.coin("NEW", market.source("gecko", "coingecko", uid="new"), price_usd=2)

    assert [r["symbol"] for r in api.get("/data?source=gecko").json()["data"]] == ["NEW"]


def test_dates_hold_their_whole_day(api: ApiClient, market: Market):
    source = market.source("gecko")
    for hours in (-24, 0, 11, 24):
        market.coin(
            f"C{hours}", source, slug=f"at{hours}", observed_at=NOON + timedelta(hours=hours)
        )

    def symbols(query: str) -> set[str]:
        return {r["symbol"] for r in api.get(f"/data?{query}").json()["data"]}

    assert symbols("start_date=2026-11-20&end_date=2026-11-20") == {"C0", "C11"}
    assert symbols("start_date=2026-11-20T12:00:00Z&end_date=2026-11-20T12:00:00Z") == {"C0"}
    assert symbols("start_date=2026-11-20T14:00:00+02:00&end_date=2026-11-20") == {"C0", "C11"}
    total = api.get("/data?end_date=2026-11-20").json()["pagination"]
    assert (total["total"], total["total_is_capped"]) == (3, False)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("view", ["", "source=gecko", "end_date=2026-11-21"])
def test_pages_are_disjoint_and_complete(api: ApiClient, market: Market, sort, order, view):
    assets = set(fill(market, market.source("gecko"), 37))
    query = f"/data?sort={sort}&order={order}&{view}"

    by_page = [
        r
        for page in range(1, 6)
        for r in api.get(f"{query}&page={page}&page_size=10").json()["data"]
    ]
    by_offset = [
        r for at in range(0, 40, 7) for r in api.get(f"{query}&limit=7&offset={at}").json()["data"]
    ]
    by_cursor = []
    for response in pages(api, f"{query}&limit=6"):
        by_cursor += response.json()["data"]
        assert response.json()["pagination"]["total"] == 37

    assert by_page == by_offset == by_cursor
    assert len(by_page) == 37
    assert {r["asset_id"] for r in by_page} == assets
    values = [r[sort] for r in by_page]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (37 - len(known))
    if sort not in {"symbol", "name"}:
        assert known == sorted(known, reverse=order == "desc")


def test_a_cursor_is_right_while_coins_are_inserted(api: ApiClient, market: Market):
    source = market.source("gecko")
    before = [market.coin(f"C{n}", source, rank=n * 10) for n in range(1, 21)]
    seen, cursor = [], ""
    for step in range(5):
        body = api.get(f"/data?limit=4{cursor and f'&cursor={cursor}'}").json()
        seen += [r["asset_id"] for r in body["data"]]
        cursor = body["pagination"]["next_cursor"] or ""
        market.coin(f"NEW{step}", source, rank=1)

    assert seen == before


@pytest.mark.parametrize(
    ("query", "parameter", "says"),
    [
        ("page=1&limit=5", "*", "cannot be mixed"),
        ("page=1&cursor=abc", "*", "cannot be mixed"),
        ("limit=5&page_size=5", "*", "cannot be mixed"),
        ("offset=5&page=1", "*", "cannot be mixed"),
        ("page_size=101", "page_size", "100"),
        ("limit=201", "limit", "200"),
        ("limit=0", "limit", "1"),
        ("offset=100001", "offset", "100000"),
        ("page=5000&page_size=100", "*", "next_cursor"),
        ("symbl=BTC", "symbl", "did you mean 'symbol'?"),
        ("zzzz=1", "zzzz", "ticker"),
        ("symbol=A&symbol=B", "symbol", "once"),
        ("symbol=%00", "symbol", "NUL"),
        ("match=partial", "*", "symbol"),
        ("sort=colour", "sort", "rank"),
        ("order=up", "order", "asc"),
        ("start_date=yesterday", "start_date", "2026-11-21"),
        ("start_date=2026-11-21&end_date=2026-11-20", "*", "after"),
        ("ticker=", "ticker", "1 character"),
    ],
)
def test_a_mistake_is_named(api: ApiClient, query, parameter, says):
    response = api.get(f"/data?{query}")

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content)
    assert problem.errors[0].parameter == parameter
    assert says in problem.errors[0].detail


def test_a_cursor_of_another_list_is_refused(api: ApiClient, market: Market):
    source = market.source("gecko")
    for n in range(3):
        market.coin(f"C{n}", source, rank=n)
    cursor = api.get("/data?limit=1").json()["pagination"]["next_cursor"]

    assert api.get(f"/data?limit=2&cursor={cursor}").status_code == 200
    refused = api.get(f"/data?limit=1&sort=name&cursor={cursor}")
    assert refused.status_code == 400
    problem = Problem.model_validate_json(refused.content)
    assert problem.type == "urn:cryptosource:problem:invalid-cursor"
    assert "other filters" in problem.detail


def test_a_forged_cursor_is_a_400_that_says_where_cursors_come_from(api: ApiClient):
    for cursor in ("%21%21", "e30", "WzEsImQiLCIxIl0", "A" * 1999):
        refused = api.get(f"/data?cursor={cursor}")
        assert refused.status_code == 400
        assert "next_cursor" in refused.json()["detail"] or "other filters" in refused.text


def test_no_coin_is_missed_by_asset_id_while_a_loader_changes_every_rank(
    api: ApiClient, market: Market
):
    source = market.source("gecko")
    coins = [market.coin(f"C{n}", source, rank=n) for n in range(60)]
    dice, seen = random.Random(11), []
    for response in pages(api, "/data?sort=asset_id&limit=7"):
        seen += [record["asset_id"] for record in response.json()["data"]]
        market.run_sql("UPDATE unified SET rank = :shift - rank", shift=dice.randrange(60, 99))
        market.coin(None, source, slug=f"new-{len(seen)}", rank=dice.randrange(60))
        market.changed("unified")

    assert len(seen) == len(set(seen))
    assert set(coins) <= set(seen)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("source", ["", "&source=coingecko"])
def test_asset_id_orders_both_ways_and_ties_by_source(
    api: ApiClient, market: Market, order: str, source: str
):
    sources = [market.source("one"), market.source("two")]
    for n in range(9):
        asset = market.coin(f"C{n}", sources[0])
        market.record(asset, sources[1], external_id=f"c{n}")
    seen = [
        (record["asset_id"], record["source"])
        for response in pages(api, f"/data?sort=asset_id&order={order}{source}&limit=4")
        for record in response.json()["data"]
    ]

    direction = -1 if order == "desc" else 1
    assert seen == sorted(set(seen), key=lambda place: (direction * place[0], place[1]))
    assert len(seen) == (18 if source else 9)
