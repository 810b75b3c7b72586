"""`/coins`: search, order, pages, sources side by side, a week at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from support.api import Market
from support.html import Element

NOW = datetime.now(UTC).replace(microsecond=0)


def listed(page: Element) -> list[str]:
    return [link.one(class_="symbol").text for link in page.one("tbody").all("th")]


def cells(page: Element, symbol: str) -> list[str]:
    for row in page.one("tbody").all("tr"):
        if row.one("th").one(class_="symbol").text == symbol:
            return [cell.text for cell in row.all("td")]
    raise LookupError(symbol)


@pytest.fixture
def three(market: Market) -> dict[str, int]:
    """Three coins of one source; a second source knows the first of them too."""
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    bitcoin = market.coin(
        "BTC", gecko, name="Bitcoin", rank=1, price_usd=100, percent_change_24h=-2, observed_at=NOW
    )
    market.coin("ETH", gecko, name="Ethereum", rank=2, price_usd=Decimal("7.5"), observed_at=NOW)
    market.coin("BITX", gecko, name="Bit_100%", price_usd=Decimal("0.001"), observed_at=NOW)
    market.record(bitcoin, paprika, external_id="btc-bitcoin", price_usd=101, observed_at=NOW)
    market.run_sql(
        "UPDATE unified SET source_ids = :ids, spread_percent = 1 WHERE asset_id = :asset_id",
        ids=[gecko, paprika],
        asset_id=bitcoin,
    )
    market.changed(f"source:{paprika}", 1)
    return {"gecko": gecko, "paprika": paprika, "BTC": bitcoin}


def test_coins_come_by_rank(three, show):
    assert listed(show("/coins")) == ["BTC", "ETH", "BITX"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("btc", ["BTC"]),
        ("bit", ["BTC", "BITX"]),
        ("ETHEREUM", ["ETH"]),
        ("bitx", ["BITX"]),
        ("100%", ["BITX"]),
        ("t_1", ["BITX"]),
        (" eth ", ["ETH"]),
    ],
)
def test_a_part_of_the_symbol_or_of_the_name_is_enough(three, show, wanted, found):
    assert listed(show(f"/coins?q={wanted.replace('%', '%25')}")) == found


def test_an_exact_symbol_comes_before_better_ranked_names(three, market: Market, show):
    market.coin("BIT", three["gecko"], slug="bit", name="Biconomy", rank=900)

    assert listed(show("/coins?q=bit"))[0] == "BIT"


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sort=price_usd&order=desc", ["BTC", "ETH", "BITX"]),
        ("sort=price_usd&order=asc", ["BITX", "ETH", "BTC"]),
        ("sort=symbol&order=asc", ["BITX", "BTC", "ETH"]),
        ("sort=spread&order=desc", ["BTC", "ETH", "BITX"]),
        ("sort=percent_change_24h&order=asc", ["BTC", "ETH", "BITX"]),
    ],
)
def test_coins_can_be_sorted_and_unknown_comes_last(three, show, query, order):
    page = show(f"/coins?{query}")

    assert listed(page) == order
    sorted_by = [
        each.attributes["aria-sort"]
        for each in page.one("thead").all("th")
        if each.attributes.get("aria-sort", "none") != "none"
    ]
    assert sorted_by == ["descending" if query.endswith("desc") else "ascending"]


def test_each_source_has_a_column_of_its_own(three, show):
    page = show("/coins")
    heads = [head.text for head in page.one("thead").all("th")]

    first = heads.index("gecko") - 1  # the coin itself is a row's heading
    assert heads[first + 1 : first + 3] == ["gecko", "paprika"]
    assert cells(page, "BTC")[first : first + 3] == ["$100.00", "$101.00", "1.00 %"]
    assert cells(page, "ETH")[first : first + 3] == ["$7.5000", "", "–"]


def test_one_source_can_be_chosen(three, show):
    page = show(f"/coins?source={three['paprika']}")

    assert listed(page) == ["BTC"]
    assert [head.text for head in page.one("thead").all("th")].index("paprika") == 5


def test_a_number_shows_its_exact_value(three, market: Market, show):
    market.coin("LONG", three["gecko"], price_usd=Decimal("1234.567890123456789"))

    shown = next(iter(show("/coins?q=LONG").all("data")))

    assert shown.text == "$1,234.57"
    assert shown.attributes["title"] == "1,234.567890123456789"
    assert shown.attributes["value"] == "1234.567890123456789"


def test_a_week_is_drawn_up_to_the_newest_observation(three, market: Market, show):
    for hours in (0, 30, 60):
        market.quote(
            three["BTC"], three["gecko"], NOW - timedelta(hours=hours), price_usd=90 + hours
        )

    drawing = show("/coins?q=BTC").one("svg", class_="spark")

    assert drawing.attributes["aria-label"] == (
        "7 days: from $150.00 to $90.000, between $90.000 and $150.00"
    )
    assert len(drawing.one("polyline").attributes["points"].split()) == 3


def test_many_coins_are_shown_in_pages(market: Market, show):
    source_id = market.source("gecko")
    for number in range(51):
        market.coin(f"C{number:02}", source_id, rank=number + 1)

    first, second = show("/coins"), show("/coins?page=2")

    assert len(listed(first)) == 50
    assert listed(second) == ["C50"]
    assert "51 coins" in first.one("main").text
    assert first.one("a", rel="next").attributes["href"] == "/coins?page=2&sort=rank&order=asc"


def test_what_was_not_found_says_how_to_go_on(three, show):
    assert "No coin matches nothing" in show("/coins?q=nothing").one("main").text
    assert "There is no page 9" in show("/coins?page=9").one("main").text


def test_no_coin_at_all_points_to_the_sources(show):
    assert "Nothing has been loaded yet" in show("/coins").one("main").text


def test_an_empty_field_of_the_form_is_no_question(three, show):
    assert len(listed(show("/coins?q=&source="))) == 3


@pytest.mark.parametrize("query", ["source=x", "sort=odd", "page=0", "page=2001", "q=" + "x" * 257])
def test_a_wrong_question_is_explained(show, query):
    assert show(f"/coins?{query}", status=422).one("main").all("li")
