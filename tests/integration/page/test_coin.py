"""`/coins/{id}`: a coin's history as a chart, and what every source says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from support.api import Market
from support.html import Element

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def bitcoin(market: Market) -> int:
    """A coin of two sources: one observed it each hour of two days, the other once a day."""
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    asset_id = market.coin("BTC", gecko, name="Bitcoin", price_usd=100, observed_at=NOW)
    market.record(asset_id, paprika, external_id="btc-bitcoin", price_usd=99, observed_at=NOW)
    for hours in range(48):
        market.quote(
            asset_id, gecko, NOW - timedelta(hours=hours, minutes=1), price_usd=100 + hours
        )
    for days in range(40):
        market.quote(asset_id, paprika, NOW - timedelta(days=days, minutes=1), price_usd=99)
    return asset_id


def legend(page: Element) -> list[str]:
    return [key.text for key in page.one(class_="keys").all("li")]


def drawn(page: Element) -> list[int]:
    """Return how many points each line of the chart has."""
    chart = page.one("svg", class_="at-desk")
    return [
        sum(len(line.attributes["points"].split()) for line in series.all("polyline"))
        for series in chart.all(class_="series")
    ]


@pytest.mark.parametrize(
    ("chosen", "points"), [("24h", [{24}, {0}]), ("7d", [{48}, {7}]), ("30d", [{16, 17}, {30}])]
)
def test_each_source_has_a_line_within_the_range(bitcoin, show, chosen, points):
    page = show(f"/coins/BTC?range={chosen}")

    assert [key.split()[0] for key in legend(page)] == ["gecko", "paprika"]
    assert all(count in allowed for count, allowed in zip(drawn(page), points, strict=True))
    assert page.one("nav", class_="ranges").one("a", **{"aria-current": "true"}).text == chosen


def test_all_begins_with_the_oldest_observation(bitcoin, show):
    assert drawn(show("/coins/BTC?range=all"))[1] == 40


def test_the_legend_tells_the_last_price_and_the_change(bitcoin, show):
    first = legend(show("/coins/BTC?range=7d"))[0]

    assert first.startswith("gecko $100.00 −")


def test_the_lines_differ_without_colour_and_the_legend_has_the_same(bitcoin, show):
    page = show("/coins/BTC")
    classes = [
        series.attributes["class"]
        for series in page.one("svg", class_="at-desk").all(class_="series")
    ]

    assert classes == ["series s0", "series s1"]
    assert [key.attributes["class"] for key in page.one(class_="keys").all("li")] == ["s0", "s1"]


def test_a_coin_that_was_last_seen_long_ago_is_shown_whole(market: Market, show):
    source_id = market.source("archive", "csv")
    then = NOW - timedelta(days=900)
    asset_id = market.coin("OLD", source_id, observed_at=then, price_usd=5)
    market.quote(asset_id, source_id, then, price_usd=5)

    page = show("/coins/OLD")

    assert page.one("nav", class_="ranges").one("a", **{"aria-current": "true"}).text == "all"
    assert page.one("svg", class_="at-desk").all("circle")
    assert "Nothing was observed in this range" in show("/coins/OLD?range=24h").one("main").text


def test_a_few_observations_of_long_ago_are_a_line_and_not_a_dot(market: Market, show):
    source_id = market.source("archive", "csv")
    then = NOW - timedelta(days=900)
    asset_id = market.coin("OLD", source_id, observed_at=then, price_usd=5)
    for hours in range(8):
        market.quote(asset_id, source_id, then - timedelta(hours=hours), price_usd=5 + hours)

    page = show("/coins/OLD?range=all")

    assert drawn(page) == [8]
    assert f"to {then.astimezone(UTC):%-d %b %Y}." in page.one("div", id="chart").text


def test_days_that_begin_at_midnight_are_told_by_their_own_dates(market: Market, show):
    source_id = market.source("archive", "csv")
    last = datetime(2024, 3, 2, tzinfo=UTC)
    asset_id = market.coin("OLD", source_id, observed_at=last, price_usd=5)
    for days in range(2):
        market.quote(asset_id, source_id, last - timedelta(days=days), price_usd=5)

    caption = show("/coins/OLD?range=all").one("div", id="chart").text

    assert "From 1 Mar 2024 to 2 Mar 2024." in caption


def test_every_source_says_how_it_was_matched(bitcoin, market: Market, show):
    market.run_sql(
        "UPDATE asset_aliases SET method = 'evidence', confidence = 0.98, "
        """evidence = '{"name": "Bitcoin", "price_usd": ["99", "100"]}' """
        "WHERE external_id = 'btc-bitcoin'"
    )
    table = show("/coins/BTC").one("div", id="views-box").one("tbody")

    rows = {row.one("th").one("a").text: row for row in table.all("tr")}
    assert rows["gecko"].one("summary").text == "first seen here"
    assert rows["paprika"].one("summary").text == "by evidence confidence 0.98"
    evidence = rows["paprika"].one("dl")
    assert "price usd 99 · 100" in evidence.text


@pytest.mark.parametrize("symbol", ["A/B", "..", "#1", "Ω", "50%", "a?b", "~"])
def test_a_coin_of_any_symbol_has_a_link_that_leads_to_it(market: Market, show, symbol):
    market.coin(symbol.upper(), market.source("gecko"), slug="odd-one", name="Odd one")

    link = show("/coins").one("tbody").one("th").one("a").attributes["href"]

    assert link == "/coins/~odd-one" or quote(symbol, safe="") == symbol
    assert show(link).one("h1").text.startswith("Odd one")


def test_moves_of_a_ticker_are_told(bitcoin, market: Market, show):
    run_id = market.run(1)
    market.run_sql(
        "INSERT INTO ticker_moves (ticker, from_asset_id, to_asset_id, run_id) "
        "VALUES ('BTC', 999, :asset_id, :run_id)",
        asset_id=bitcoin,
        run_id=str(run_id),
    )

    assert "BTC came to this coin" in show("/coins/BTC").one("main").text


def test_a_coin_of_ten_sources_draws_eight_lines_and_says_so(market: Market, show):
    first = market.source("s0")
    asset_id = market.coin("BTC", first, price_usd=1, observed_at=NOW)
    for number in range(1, 10):
        market.record(asset_id, market.source(f"s{number}"), external_id="btc", price_usd=1)
    for source_id in range(first, first + 10):
        market.quote(asset_id, source_id, NOW - timedelta(hours=1), price_usd=source_id)

    page = show("/coins/BTC")

    assert len(legend(page)) == 8
    assert "2 more sources not drawn" in page.one("main").text
