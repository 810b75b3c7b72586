"""GET /data/{id}, its history, the summary."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cryptosource_api.coins.models import Coin, Observation, Summary
from cryptosource_api.http.models import Listing, Single
from support.api import NOON, ApiClient, Market, exact, pages


def test_a_coin_shows_every_view_and_how_it_was_matched(api: ApiClient, market: Market):
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    asset = market.coin("BTC", gecko, slug="bitcoin", rank=1, price_usd=100)
    market.record(
        asset, paprika, external_id="btc-bitcoin", symbol="BTC", price_usd=Decimal("1e-18")
    )
    market.run_sql("UPDATE unified SET source_ids = ARRAY[1, 2], spread_percent = 5.25")

    response = api.get("/data/btc")

    coin = Single[Coin].model_validate_json(response.content).data
    assert (coin.id, coin.slug, coin.sources) == ("BTC", "bitcoin", ["gecko", "paprika"])
    assert exact(response)["data"]["spread_percent"] == Decimal("5.25")
    assert [(view.source, view.external_id) for view in coin.views] == [
        ("gecko", "bitcoin"),
        ("paprika", "btc-bitcoin"),
    ]
    match = coin.views[1].match
    assert match is not None
    assert match.id_scope == "coinpaprika"
    assert match.method == "minted"
    assert match.evidence == {"because": "new"}
    assert '"price_usd":0.000000000000000001,' in response.text


def test_old_ids_go_on_resolving_after_a_ticker_moved(api: ApiClient, market: Market):
    source = market.source("gecko")
    old = market.coin("LUNA", source, slug="terra-luna", rank=8)
    new = market.coin("LUNA", source, slug="terra-luna-2", rank=20)
    assert api.get("/data/LUNA").json()["data"]["asset_id"] == old

    market.run_sql("UPDATE tickers SET asset_id = :a WHERE ticker = 'LUNA'", a=new)
    market.run_sql(
        "INSERT INTO ticker_moves (ticker, from_asset_id, to_asset_id, run_id) "
        "VALUES ('LUNA', :a, :b, gen_random_uuid())",
        a=old,
        b=new,
    )
    market.run_sql("UPDATE unified SET symbol = 'LUNC' WHERE asset_id = :a", a=old)
    market.changed("unified")

    assert api.get("/data/LUNA").json()["data"]["asset_id"] == new
    for way in ("LUNA~terra-luna-2", "luna~terra-luna-2", "WHATEVER~terra-luna-2", "~terra-luna-2"):
        assert api.get(f"/data/{way}").json()["data"]["id"] == "LUNA"
    moved = api.get("/data/LUNA~terra-luna").json()["data"]
    assert (moved["asset_id"], moved["id"]) == (old, "LUNC~terra-luna")
    assert moved["ticker_moves"][0]["to_asset_id"] == new


def test_an_unknown_id_is_404_with_advice(api: ApiClient):
    for path in ("/data/NOPE", "/data/NOPE~nope", "/data/~", "/data/NOPE/history"):
        response = api.get(path)
        assert response.status_code == 404
        assert "SYMBOL~slug" in response.json()["detail"]


def test_history_pages_through_all_sources_by_time(api: ApiClient, market: Market):
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    asset = market.coin("BTC", gecko)
    market.record(asset, paprika, external_id="btc-bitcoin")
    for day in range(-40, 40, 4):  # over three months, sources tie on each day
        for source in (gecko, paprika):
            market.quote(asset, source, NOON + timedelta(days=day), price_usd=day + 100)

    for order in ("asc", "desc"):
        seen = []
        for response in pages(api, f"/data/BTC/history?limit=7&order={order}"):
            page = Listing[Observation].model_validate_json(response.content)
            seen += [(o.observed_at, o.source) for o in page.data]
            assert (page.pagination.total, page.pagination.total_is_capped) == (40, False)
        assert len(set(seen)) == len(seen) == 40
        times = [when for when, _ in seen]
        assert times == sorted(times, reverse=order == "desc")

    only = api.get("/data/BTC/history?source=paprika&start_date=2026-11-20&end_date=2026-11-28")
    assert [o["source"] for o in only.json()["data"]] == ["paprika"] * 3


def test_history_of_a_coin_without_quotes_is_empty(api: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))

    assert api.get("/data/BTC/history").json()["data"] == []


def test_summary_counts_without_scanning_quotes(api: ApiClient, market: Market):
    source = market.source("gecko")
    market.coin("ETH", source, slug="ethereum", market_cap_usd=50)
    market.coin("ETH", source, slug="ether-fork", market_cap_usd=Decimal("1e18"))
    market.coin("BTC", source, observed_at=NOON + timedelta(days=1))
    market.run(source, processed=7, loaded=5, unchanged=2)

    summary = Single[Summary].model_validate_json(api.get("/data/summary").content).data

    assert (summary.coins, summary.shared_tickers) == (3, 1)
    assert summary.newest_observation == NOON + timedelta(days=1)
    assert [(s.source, s.records, s.quotes) for s in summary.sources] == [("gecko", 3, 5)]
    assert [coin.id for coin in summary.top_by_market_cap] == ["ETH~ether-fork", "ETH"]


def test_summary_keeps_counting_what_runs_loaded_whose_rows_are_gone(
    api: ApiClient, market: Market
):
    source = market.source("gecko")
    market.coin("BTC", source)
    market.run(source, loaded=5, processed=5)
    market.run_sql("DELETE FROM etl_runs")
    market.run(source, status="running", loaded=2, processed=2)

    summary = Single[Summary].model_validate_json(api.get("/data/summary").content).data

    assert [each.quotes for each in summary.sources] == [7]
