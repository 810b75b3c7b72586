"""GET /stats/anomalies: what stands out, against figures worked out by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from cryptosource_api.http.models import Problem, Single
from cryptosource_api.runs.anomalies import Anomalies
from support.api import NOON, ApiClient, Market, exact

DAY = "since=2026-11-20T00:00:00Z&until=2026-11-20T23:59:00Z"


def anomalies_of(api: ApiClient, query: str = DAY) -> Anomalies:
    response = api.get(f"/stats/anomalies?{query}")
    assert response.status_code == 200, response.text
    return Single[Anomalies].model_validate_json(response.content).data


def runs(market: Market, source: int, *seconds: float, first: datetime = NOON, **columns) -> None:
    """Add a run each minute, each taking so many seconds."""
    given = {"processed": 100, "loaded": 100, **columns}
    for n, duration in enumerate(seconds):
        started = first + timedelta(minutes=n)
        market.run(
            source,
            started_at=started,
            finished_at=started + timedelta(seconds=duration),
            **given,
        )


def test_a_run_that_took_far_longer_than_the_others_stands_out(api: ApiClient, market: Market):
    source = market.source("gecko")
    # medians of 10,10,10,20,20,20,20,30,30,30,200: 20; distances 0,0,0,0,10,10,10,10,10,10,180: 10
    runs(market, source, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 200)

    found = anomalies_of(api)

    (slow,) = found.runs.found
    assert (slow.source, slow.metric, slow.value) == ("gecko", "duration_seconds", 200)
    assert (slow.median, slow.mad, slow.judged_from) == (20, 10, 11)
    assert slow.allowed_distance == Decimal("88.956")  # 6 * 1.4826 * 10
    assert slow.deviations == Decimal("12.14")  # 180 / 14.826
    assert slow.started_at == NOON + timedelta(minutes=10)
    assert not found.runs.more


def test_what_always_takes_the_same_does_not_stand_out_for_a_little_more(
    api: ApiClient, market: Market
):
    source = market.source("gecko")
    runs(market, source, *[2] * 10, 7.9)
    assert anomalies_of(api).runs.found == []  # the floor: 6 times 1 s around 2 s

    runs(market, source, 8.1, first=NOON + timedelta(hours=1))

    (slow,) = anomalies_of(api).runs.found
    assert (slow.value, slow.mad, slow.allowed_distance) == (Decimal("8.1"), 0, 6)


def test_fewer_records_and_more_rejects_than_usual_stand_out(api: ApiClient, market: Market):
    source = market.source("gecko")
    runs(market, source, *[2] * 10, processed=1000, loaded=1000)
    runs(
        market, source, 2, first=NOON + timedelta(hours=1), processed=1000, loaded=0, unchanged=1000
    )
    runs(market, source, 2, first=NOON + timedelta(hours=2), processed=1000, loaded=993, rejected=7)
    runs(market, source, 2, first=NOON + timedelta(hours=3), processed=939, loaded=939)

    found = anomalies_of(api).runs.found

    assert [(run.started_at.hour, run.metric, run.value) for run in found] == [
        (15, "loaded", 939),  # 1 % of 1000, six times: 60 records
        (15, "processed", 939),
        (14, "rejected_percent", Decimal("0.7")),  # 0.1 points, six times
        (13, "loaded", 0),
    ]


def test_a_failed_run_is_judged_by_its_rejects_alone(api: ApiClient, market: Market):
    source = market.source("gecko")
    runs(market, source, *[20] * 10)
    runs(
        market, source, 1, first=NOON + timedelta(hours=1), status="failure", processed=0, loaded=0
    )
    market.run(
        source,
        "failure",
        reason="TooManyRejected",
        started_at=NOON + timedelta(hours=2),
        processed=50,
        rejected=50,
    )

    (bad,) = anomalies_of(api).runs.found

    assert (bad.status, bad.metric, bad.value) == ("failure", "rejected_percent", 100)


def test_too_few_runs_replays_and_unmodified_ones_are_not_judged(api: ApiClient, market: Market):
    young, quiet = market.source("young"), market.source("quiet")
    runs(market, young, *[2] * 8, 500)
    runs(market, quiet, *[2] * 10)
    later = NOON + timedelta(hours=1)
    runs(market, quiet, 500, first=later, trigger="replay")
    runs(
        market,
        quiet,
        500,
        first=later + timedelta(hours=1),
        reason="NotModified",
        processed=0,
        loaded=0,
    )

    assert anomalies_of(api).runs.found == []


def test_runs_outside_the_window_or_of_other_sources_are_not_shown(api: ApiClient, market: Market):
    source = market.source("gecko")
    runs(market, source, *[2] * 10, 60)

    assert len(anomalies_of(api).runs.found) == 1
    assert anomalies_of(api, f"{DAY}&source=other").runs.found == []
    assert anomalies_of(api, f"{DAY}&deviations=100").runs.found == []
    later = "since=2026-11-20T13:00:00Z&until=2026-11-20T14:00:00Z"
    assert anomalies_of(api, later).runs.found == []


def prices(market: Market, asset: int, source: int, *amounts: str | None) -> None:
    """Add an observation each five minutes, the last at noon."""
    for n, amount in enumerate(reversed(amounts)):
        market.quote(asset, source, NOON - timedelta(minutes=5 * n), price_usd=amount)


def test_a_price_that_jumped_against_its_own_history_stands_out(api: ApiClient, market: Market):
    gecko = market.source("gecko")
    coin = market.coin("BTC", gecko, rank=1, price_usd="150.000000000000000000001")
    prices(market, coin, gecko, *["100"] * 10, None, "100", "150.000000000000000000001")

    response = api.get(f"/stats/anomalies?{DAY}")
    (jump,) = anomalies_of(api).price_jumps.found

    assert (jump.id, jump.source, jump.observed_at) == ("BTC", "gecko", NOON)
    (raw,) = exact(response)["data"]["price_jumps"]["found"]
    assert str(raw["price_usd"]) == "150.000000000000000000001"
    assert (jump.previous_price_usd, jump.previous_observed_at) == (
        100,
        NOON - timedelta(minutes=5),
    )
    assert (jump.value, jump.median, jump.mad, jump.judged_from) == (50, 0, 0, 11)
    assert jump.allowed_distance == 6


def test_a_coin_that_always_moves_that_much_does_not_stand_out(api: ApiClient, market: Market):
    gecko = market.source("gecko")
    wild = market.coin("WILD", gecko, rank=1, price_usd="150")
    prices(
        market,
        wild,
        gecko,
        *["100", "110", "95", "120", "100", "130", "105", "90", "115", "100", "125", "95", "150"],
    )
    steady = market.coin("CALM", gecko, rank=2, price_usd="105.9")
    prices(market, steady, gecko, *["100"] * 12, "105.9")  # under six times one point

    assert anomalies_of(api).price_jumps.found == []


def test_a_price_that_fell_to_nothing_stands_out_and_one_that_rises_from_it_cannot_be_judged(
    api: ApiClient, market: Market
):
    gecko = market.source("gecko")
    coin = market.coin("LUNA", gecko, rank=1, price_usd="5")
    prices(market, coin, gecko, *["100"] * 12, "0", "5")

    (fall,) = anomalies_of(api).price_jumps.found

    assert (fall.value, fall.price_usd) == (-100, 0)


def test_prices_of_the_best_ranked_coins_alone_are_judged(api: ApiClient, market: Market):
    gecko = market.source("gecko")
    for rank in (1, 2, 3):
        coin = market.coin(f"C{rank}", gecko, rank=rank, price_usd="200")
        prices(market, coin, gecko, *["100"] * 12, "200")

    everything = anomalies_of(api)
    best = anomalies_of(api, f"{DAY}&top=2")
    cut = anomalies_of(api, f"{DAY}&limit=1")

    assert [jump.id for jump in everything.price_jumps.found] == ["C1", "C2", "C3"]
    assert [jump.id for jump in best.price_jumps.found] == ["C1", "C2"]
    assert ([jump.id for jump in cut.price_jumps.found], cut.price_jumps.more) == (["C1"], True)
    assert not everything.price_jumps.more
    assert anomalies_of(api, f"{DAY}&source=nobody").price_jumps.found == []


def test_a_poisoned_price_breaks_nothing_and_stands_out(api: ApiClient, market: Market):
    gecko = market.source("gecko")
    coin = market.coin("BTC", gecko, rank=1, price_usd="1")
    prices(market, coin, gecko, *["1e-300"] * 12, "1" + "0" * 300)
    views(market, "ETH", gecko="1e-300", paprika="1" + "0" * 300)

    found = anomalies_of(api)

    assert [jump.id for jump in found.price_jumps.found] == ["BTC"]
    assert [coin.id for coin in found.price_disagreements.found] == ["ETH"]


def views(market: Market, symbol: str, **amounts: str) -> int:
    """Add a coin with one view for each source named."""
    names = list(amounts)
    known = {
        name: market.run_sql("SELECT source_id FROM sources WHERE name = :n", n=name)
        or market.source(name)
        for name in names
    }
    first, *others = names
    asset = market.coin(symbol, known[first], rank=1, price_usd=amounts[first])
    for name in others:
        market.record(
            asset, known[name], external_id=symbol, symbol=symbol, price_usd=amounts[name]
        )
    return asset


def test_sources_that_disagree_on_a_price_are_shown_with_the_furthest(
    api: ApiClient, market: Market
):
    views(market, "BTC", gecko="100", paprika="101", file="130")
    views(market, "ETH", gecko="10", paprika="10.9")

    (btc,) = anomalies_of(api).price_disagreements.found

    assert (btc.id, btc.spread_percent, btc.median_price_usd) == ("BTC", 30, 101)
    assert btc.furthest == "file"
    assert [(view.source, view.price_usd) for view in btc.views] == [
        ("file", 130),
        ("paprika", 101),
        ("gecko", 100),
    ]
    assert btc.views[0].deviation_percent == Decimal("28.712871")  # 29 / 101
    assert btc.allowed_spread_percent == 10


def test_of_two_prices_nobody_is_called_wrong(api: ApiClient, market: Market):
    views(market, "ETH", gecko="10", paprika="12")

    (eth,) = anomalies_of(api).price_disagreements.found

    assert (eth.spread_percent, eth.furthest, eth.median_price_usd) == (20, None, 11)
    assert anomalies_of(api, f"{DAY}&spread_percent=20").price_disagreements.found == []
    assert anomalies_of(api, f"{DAY}&source=gecko").price_disagreements.found
    assert anomalies_of(api, f"{DAY}&source=other").price_disagreements.found == []


def test_old_prices_and_those_of_retired_sources_disagree_with_nobody(
    api: ApiClient, market: Market
):
    views(market, "BTC", gecko="100", paprika="200")
    late = "UPDATE quotes_latest SET observed_at = observed_at - interval '61 minutes' "
    market.run_sql(late + "WHERE price_usd = 200")
    assert anomalies_of(api).price_disagreements.found == []

    market.run_sql("UPDATE quotes_latest SET observed_at = :noon", noon=NOON)
    assert anomalies_of(api).price_disagreements.found
    market.run_sql("UPDATE sources SET retired_at = now() WHERE name = 'paprika'")
    assert anomalies_of(api).price_disagreements.found == []


def test_a_price_of_nothing_disagrees_without_bound(api: ApiClient, market: Market):
    views(market, "BTC", gecko="0", paprika="5")

    (btc,) = anomalies_of(api).price_disagreements.found

    assert btc.spread_percent is None


def test_the_rules_are_part_of_the_answer(api: ApiClient):
    found = anomalies_of(api, f"{DAY}&deviations=4.5&top=7")

    assert (found.rules.deviations, found.rules.coins_judged) == (4.5, 7)
    assert found.since == NOON.replace(hour=0)
    assert found.price_jumps.found == found.runs.found == found.price_disagreements.found == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("deviations=1", "deviations"),
        ("deviations=NaN", "deviations"),
        ("spread_percent=0", "spread_percent"),
        ("top=251", "top"),
        ("since=2026-11-01&until=2026-11-20", "since"),
        ("limit=0", "limit"),
    ],
)
def test_what_cannot_be_asked_for_is_named(api: ApiClient, query: str, parameter: str):
    response = api.get(f"/stats/anomalies?{query}")

    assert response.status_code == 422
    assert Problem.model_validate_json(response.content).errors[0].parameter == parameter
