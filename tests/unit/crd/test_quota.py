from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd.quota import cost, describe, requests_per_run, warnings
from cryptosource_crd.schedule import MAX_MONTH_DAYS, runs_per_month
from support.sources import make_source


def gecko(schedule="*/5 * * * *", **member):
    return make_source(coinGecko=member, schedule=schedule)


def test_one_page_every_five_minutes_costs_8640_of_demos_10000():
    figures = cost(gecko(plan="Demo", selection={"top": 250}))

    assert (figures.runs_per_month, figures.requests_per_run) == (8640, 1)
    assert figures.requests_per_month == 8640
    assert figures.quota == 10_000
    assert figures.fits
    assert warnings(gecko(plan="Demo", selection={"top": 250}, schedule="*/5 * * * *")) == []


def test_the_top_1000_fit_demo_every_20_minutes_and_no_more_often():
    figures = cost(gecko(plan="Demo", selection={"top": 1000}))

    assert figures.requests_per_month == 34_560
    assert not figures.fits_quota
    assert figures.fitting_schedule == "*/20 * * * *"
    assert figures.fitting_interval_minutes == 20


def test_a_step_of_17_minutes_starts_four_times_an_hour_and_does_not_fit_demo():
    source = gecko("*/17 * * * *", plan="Demo", selection={"top": 1000})

    assert cost(source).requests_per_month == 11_520
    (warning,) = warnings(source)
    assert "11,520 requests in 30 days and CoinGecko Demo allows 10,000 a month" in warning
    assert warning.endswith("'*/20 * * * *' fits")


def test_free_coinpaprika_fits_every_three_minutes():
    figures = cost(make_source(schedule="* * * * *"))

    assert figures.requests_per_month == 43_200
    assert not figures.fits_quota
    assert figures.fitting_schedule == "*/3 * * * *"


def test_a_quota_must_last_for_31_days():
    # 28 a day: 840 in 30 days, 868 in 31.
    schedule = "0,30 0-13 * * *"

    fits = cost(make_source(schedule=schedule, coinPaprika={"monthlyQuota": 868})).fits_quota
    short = cost(make_source(schedule=schedule, coinPaprika={"monthlyQuota": 867})).fits_quota

    assert (fits, short) == (True, False)


def test_a_quota_that_not_even_a_daily_run_fits_says_so():
    source = gecko("@daily", plan="Demo", selection={"all": True}, monthlyQuota=100)

    assert cost(source).fitting_schedule is None
    assert "select fewer coins" in warnings(source)[0]


def test_a_run_longer_than_its_interval_is_warned_of():
    source = gecko("*/2 * * * *", selection={"top": 5000})

    figures = cost(source)

    # 20 requests, the first at once, at 5 per minute.
    assert (figures.requests_per_run, figures.run_seconds) == (20, 228)
    assert not figures.fits_interval
    assert figures.fitting_schedule == "*/4 * * * *"
    assert "one run needs 228 s" in warnings(source)[0]


def test_more_coins_than_the_plan_shows_are_warned_of():
    (warning,) = warnings(make_source(coinPaprika={"selection": {"top": 2001}}))

    assert warning == "CoinPaprika Free shows 2,000 coins, the selection asks for 2,001"


@pytest.mark.parametrize(
    ("spec", "requests"),
    [
        ({"coinPaprika": {"selection": {"top": 2000}}}, 1),
        ({"coinGecko": {}}, 4),
        ({"coinGecko": {"selection": {"top": 251}}}, 2),
        ({"coinGecko": {"selection": {"all": True}}}, 76),
        ({"coinGecko": {"selection": {"ids": [f"coin-{i}" for i in range(251)]}}}, 2),
        ({"csv": {"path": "a.csv"}}, 0),
        ({"csv": {"url": "https://example.com/a.csv"}}, 1),
        ({"type": "Binance", "options": {"pairs": ["BTCUSDT"]}}, 1),
    ],
)
def test_requests_of_one_run(spec, requests):
    assert requests_per_run(make_source(**spec).spec) == requests


def test_the_cost_is_one_line_for_a_person():
    demo = gecko(plan="Demo", selection={"top": 250})
    file = make_source(csv={"path": "a.csv"}, schedule="@daily")

    assert describe(demo) == (
        "8,640 runs x 1 per run = 8,640 requests per month (CoinGecko Demo: 10,000 allowed)"
    )
    assert describe(gecko()).endswith("(CoinGecko Keyless: no published quota)")
    assert describe(file) == "30 runs per month, no requests"


@given(
    plan=st.sampled_from(["Keyless", "Demo", "Basic", "Analyst", "Pro", "Enterprise"]),
    top=st.integers(1, 50_000),
    quota=st.none() | st.integers(1, 10**7),
)
def test_a_schedule_that_is_said_to_fit_does_fit(plan, top, quota):
    member = {"plan": plan, "selection": {"top": top}, "monthlyQuota": quota}
    proposed = cost(gecko("* * * * *", **member)).fitting_schedule
    if proposed is None:
        return
    source = gecko(
        proposed,
        **member,
    )
    figures = cost(source)

    assert figures.fits_quota
    assert figures.run_seconds < figures.fitting_interval_minutes * 60
    if figures.quota is not None:
        runs = runs_per_month(proposed, days=MAX_MONTH_DAYS)
        assert runs * figures.requests_per_run <= figures.quota
