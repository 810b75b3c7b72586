"""`interval=`: exact open, high, low, close, last and count of half-open buckets in UTC."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from sqlalchemy import URL

from cryptosource_api.coins.intervals import parse_interval
from cryptosource_api.coins.models import Bucket
from cryptosource_api.http.models import Listing
from support.api import NOON, ApiClient, Market, exact, pages
from support.oracle import value
from support.readers import coin
from support.runs import load

TINY = Decimal("0.000000000000000001234567890123456789")


def buckets(api: ApiClient, url: str) -> list[Bucket]:
    found = []
    for response in pages(api, url):
        page = Listing[Bucket].model_validate(exact(response))
        found += page.data
        assert page.pagination.total >= len(page.data)
    assert page.pagination.total == len(found)
    return found


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_buckets_are_what_python_makes_of_the_observations(
    api: ApiClient, market: Market, order: str
):
    dice = random.Random(5)
    sources = [market.source("one"), market.source("two")]
    market.coin("BTC", sources[0])
    market.record(1, sources[1], external_id="b")
    expected: dict[tuple, list] = defaultdict(list)
    for minute in sorted(dice.sample(range(600), 120)):
        source = dice.randrange(2)
        price = None if dice.random() < 0.2 else TINY * dice.randrange(1, 99)
        moment = NOON - timedelta(hours=10) + timedelta(minutes=minute)
        market.quote(1, sources[source], moment, price_usd=price, volume_24h_usd=minute)
        start = moment.replace(minute=moment.minute // 15 * 15)
        expected[start, ("one", "two")[source]].append((moment, price, minute))

    url = f"/data/BTC/history?interval=15m&limit=7&order={order}&start_date=2026-11-20"
    found = buckets(api, f"{url}&end_date=2026-11-21")

    def place(key: tuple[datetime, str]) -> tuple[float, str]:
        start, name = key
        return (start if order == "asc" else NOON - (start - NOON)).timestamp(), name

    assert [(b.bucket_start, b.source) for b in found] == sorted(expected, key=place)
    for bucket in found:
        seen = expected[bucket.bucket_start, bucket.source]
        known = [price for _, price, _ in seen if price is not None]
        assert bucket.bucket_end == bucket.bucket_start + timedelta(minutes=15)
        assert (bucket.open, bucket.close) == ((known[0], known[-1]) if known else (None, None))
        assert (bucket.high, bucket.low) == (max(known, default=None), min(known, default=None))
        assert bucket.last == seen[-1][1]
        assert bucket.count == len(known)
        assert bucket.last_observed_at == seen[-1][0]
        assert bucket.last_volume_24h_usd == seen[-1][2]


def test_a_bucket_holds_its_first_moment_and_not_its_end(api: ApiClient, market: Market):
    source = market.source("one")
    market.coin("BTC", source)
    for moment in (
        NOON,
        NOON + timedelta(hours=1) - timedelta(microseconds=1),
        NOON + timedelta(hours=1),
    ):
        market.quote(1, source, moment, price_usd=1)

    found = buckets(api, "/data/BTC/history?interval=PT1H&order=asc&end_date=2026-11-21")

    assert [(b.bucket_start, b.count) for b in found] == [
        (NOON, 2),
        (NOON + timedelta(hours=1), 1),
    ]


def test_days_begin_at_midnight_utc(api: ApiClient, market: Market):
    source = market.source("one")
    market.coin("BTC", source)
    market.quote(1, source, datetime(2026, 11, 19, 23, 59, tzinfo=UTC), price_usd=1)

    (bucket,) = buckets(api, "/data/BTC/history?interval=1d")

    assert bucket.bucket_start == datetime(2026, 11, 19, tzinfo=UTC)


def test_without_a_range_the_newest_buckets_are_meant(api: ApiClient, market: Market):
    source = market.source("one")
    market.coin("BTC", source)
    market.quote(1, source, NOON, price_usd=2)
    market.quote(1, source, NOON - timedelta(days=30), price_usd=1)

    assert [b.close for b in buckets(api, "/data/BTC/history?interval=1m")] == [2]
    assert [b.close for b in buckets(api, "/data/BTC/history?interval=1h")] == [2, 1]


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_the_newest_buckets_up_to_an_end_are_meant_however_far_it_lies_ahead(
    api: ApiClient, market: Market, form: str
):
    source = market.source("one")
    market.coin("BTC", source)
    market.quote(1, source, NOON, price_usd=2)
    market.quote(1, source, NOON - timedelta(days=30), price_usd=1)

    def closes(end: str) -> list[int]:
        response = api.get(f"/data/BTC/history?interval=1m&end_date={end}&format={form}")
        assert response.status_code == 200, response.text
        found = map(json.loads, response.text.splitlines())
        return [each["close"] for one in found for each in one.get("data", [one])]

    assert closes("2028-01-01") == closes("9999-12-31") == [2]
    assert closes("2026-11-19") == [1]
    assert closes("2020-01-01") == []


def test_the_newest_buckets_that_were_known_then_are_meant(database: URL, api: ApiClient):
    load(database, [coin("btc", symbol="BTC", price="1", at=0)])
    then = quote(value(database, "SELECT clock_timestamp()").isoformat())
    load(database, [coin("btc", symbol="BTC", price="2", at=30 * 24 * 60)])

    assert [b.close for b in buckets(api, f"/data/BTC/history?interval=1m&as_of={then}")] == [1]
    assert [b.close for b in buckets(api, "/data/BTC/history?interval=1m")] == [2]


@pytest.mark.parametrize(
    ("first", "advice"),
    [
        ("2026-01-01", ", or choose 1h or wider"),
        ("2021-01-01", ", or choose 6h or wider"),
        ("2000-01-01", ", or choose 24h or wider"),
        ("1980-01-01", "narrow it"),
    ],
)
def test_the_interval_that_is_advised_is_one(
    api: ApiClient, market: Market, first: str, advice: str
):
    market.coin("BTC", market.source("one"))

    refused = api.get(f"/data/BTC/history?interval=1m&start_date={first}&end_date=2026-12-31")

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["detail"].endswith(advice)


def test_too_many_buckets_are_refused_with_an_interval_that_fits(api: ApiClient, market: Market):
    market.coin("BTC", market.source("one"))

    refused = api.get("/data/BTC/history?interval=1m&start_date=2026-01-01&end_date=2026-12-31")

    assert refused.status_code == 422
    assert "choose 1h or wider" in refused.json()["errors"][0]["detail"]


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_buckets_can_be_exported(api: ApiClient, market: Market, form: str):
    source = market.source("one")
    market.coin("BTC", source)
    market.quote(1, source, NOON, price_usd=TINY)

    exported = api.get(f"/data/BTC/history?interval=1h&format={form}")

    assert exported.status_code == 200, exported.text
    assert form == "parquet" or f"{TINY:f}" in exported.text


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1m", 1), ("90m", 90), ("1H", 60), ("24h", 1440), ("1d", 1440), ("PT15M", 15), ("p1d", 1440)],
)
def test_intervals_are_short_words_or_iso(text: str, minutes: int):
    assert parse_interval(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    ["", "0m", "7m", "5h", "2d", "1s", "m", "1.5h", "P1M", "PT", "P", "1w", "-1h", "٥m", "99999m"],
)
def test_an_interval_that_does_not_divide_a_day_is_told_what_would(api: ApiClient, text: str):
    with pytest.raises(ValueError, match="divide a day"):
        parse_interval(text)
