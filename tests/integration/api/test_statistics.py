"""GET /stats/performance and /stats/drift, against figures worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cryptosource_api.http.models import Listing, Problem
from cryptosource_api.runs.performance import DriftEntry, Performance
from support.api import NOON, ApiClient, Market, pages

WINDOW = "since=2026-11-20T11:00:00Z&until=2026-11-20T12:30:00Z"


def buckets_of(api: ApiClient, query: str) -> list[Performance]:
    response = api.get(f"/stats/performance?{query}")
    assert response.status_code == 200, response.text
    return Listing[Performance].model_validate_json(response.content).data


def ended(market: Market, source: int, seconds: float, status: str = "success", **columns: Any):
    started = columns.pop("started_at", NOON + timedelta(minutes=1))
    market.run(
        source,
        status,
        started_at=started,
        finished_at=started + timedelta(seconds=seconds),
        **columns,
    )


def test_an_hour_tells_outcomes_percentiles_and_throughput(api: ApiClient, market: Market):
    source = market.source("gecko")
    for seconds in (1, 2, 3, 4):
        ended(market, source, seconds, processed=30, loaded=20, unchanged=9, rejected=1)
    ended(market, source, 10, "failure", reason="UpstreamError")
    ended(market, source, 0, "skipped")
    ended(market, source, 500, trigger="replay", processed=9_000, loaded=9_000)
    market.run(source, "running", started_at=NOON + timedelta(minutes=2))

    noon, eleven = buckets_of(api, WINDOW)

    assert (noon.start, noon.end) == (NOON, NOON + timedelta(hours=1))
    assert (noon.runs, noon.success, noon.failure) == (7, 4, 1)
    assert (noon.interrupted, noon.skipped, noon.running) == (0, 1, 1)
    assert noon.success_rate == Decimal("0.8")
    # of 1, 2, 3, 4, 10: the middle; and four fifths between the two largest
    assert noon.duration_p50_seconds == 3
    assert noon.duration_p95_seconds == Decimal("8.8")
    assert (noon.processed, noon.loaded, noon.unchanged, noon.rejected) == (120, 80, 36, 4)
    assert noon.records_per_second == 6  # 120 records in 20 seconds
    assert (eleven.start, eleven.runs) == (NOON - timedelta(hours=1), 0)
    assert eleven.success_rate is None
    assert eleven.duration_p50_seconds is None
    assert eleven.records_per_second is None


def test_a_bucket_holds_its_first_moment_and_not_its_last(api: ApiClient, market: Market):
    source = market.source("gecko")
    for started in (NOON, NOON - timedelta(microseconds=1), NOON + timedelta(hours=1)):
        market.run(source, started_at=started)

    assert [bucket.runs for bucket in buckets_of(api, WINDOW)] == [1, 1]


def test_days_are_days_of_utc(api: ApiClient, market: Market):
    source = market.source("gecko")
    market.run(source, started_at=NOON.replace(hour=23, minute=59))
    market.run(source, started_at=NOON.replace(hour=0, minute=0))

    asked = "bucket=day&since=2026-11-20T23:30:00-05:00&until=2026-11-21T12:00:00Z"
    (today,) = buckets_of(api, asked)
    days = buckets_of(api, "bucket=day&since=2026-11-19&until=2026-11-20")

    assert (today.start.day, today.runs) == (21, 0)
    assert [(day.start.day, day.runs) for day in days] == [(20, 2), (19, 0)]


def test_by_default_the_last_24_hours_of_every_source_that_exists(api: ApiClient, market: Market):
    market.source("a")
    market.source("b", "csv")
    market.source("gone", retired_at=NOON)
    market.run_sql(
        "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status) "
        "SELECT gen_random_uuid(), source_id, uid, 'j', 'schedule', 'running' FROM sources"
    )

    listed = buckets_of(api, "limit=750")

    assert [bucket.source for bucket in listed] == ["a"] * 24 + ["b"] * 24
    assert listed[0].running == 1
    assert len(buckets_of(api, "source=csv&bucket=day")) == 30


def test_pages_of_buckets_join_without_a_gap_or_a_repetition(api: ApiClient, market: Market):
    for name in ("a", "b"):
        for namespace in ("one", "two"):
            market.source(name, namespace=namespace)
    whole = [(b.namespace, b.source, b.start) for b in buckets_of(api, WINDOW)]
    seen = []
    for response in pages(api, f"/stats/performance?{WINDOW}&limit=3"):
        page = Listing[Performance].model_validate_json(response.content)
        assert page.pagination.total == 8
        seen += [(b.namespace, b.source, b.start) for b in page.data]

    assert len(whole) == 8
    assert seen == whole


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("bucket=minute", "bucket"),
        ("since=2026-01-01&until=2026-11-01", "since"),
        ("bucket=day&since=2024-01-01&until=2026-01-01", "since"),
        ("since=2026-11-21&until=2026-11-20", "since"),
        ("since=2999-01-01", "since"),
        ("until=0001-01-01", "until"),
        ("since=9999-12-31&until=9999-12-31", "until"),
        ("limit=751", "limit"),
        ("buckets=day", "buckets"),
    ],
)
def test_what_cannot_be_asked_for_is_named(api: ApiClient, query: str, parameter: str):
    response = api.get(f"/stats/performance?{query}")

    assert response.status_code == 422
    assert Problem.model_validate_json(response.content).errors[0].parameter == parameter


def test_a_forged_cursor_is_refused(api: ApiClient):
    response = api.get("/stats/performance?cursor=abc")

    assert response.status_code == 400
    assert Problem.model_validate_json(response.content).type.endswith(":invalid-cursor")


def drifted(market: Market, source: int, field: str, change: str, **columns: Any) -> None:
    row = {"run": None, "before": "[]", "after": "[]", "at": NOON, **columns}
    market.run_sql(
        "INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after,"
        " detected_at) VALUES (:s, COALESCE(CAST(:run AS uuid), gen_random_uuid()), :field,"
        " :change, CAST(:before AS jsonb), CAST(:after AS jsonb), :at)",
        s=source,
        field=field,
        change=change,
        **row,
    )


def drifts_of(api: ApiClient, query: str = "") -> Listing[DriftEntry]:
    response = api.get(f"/stats/drift?{query}")
    assert response.status_code == 200, response.text
    return Listing[DriftEntry].model_validate_json(response.content)


def test_a_drift_tells_what_changed_when_what_was_done_and_how_it_is_now(
    api: ApiClient, market: Market
):
    source = market.source("gecko", accepted_shape='{"price": ["number", "string"]}')
    run = market.run(source, processed=10, loaded=7, rejected=3)
    drifted(
        market,
        source,
        "price",
        "retyped",
        run=str(run),
        before='["number"]',
        after='["string"]',
    )
    drifted(market, source, "name", "vanished", before='["string"]')

    newest, older = drifts_of(api).data

    assert (newest.field, newest.change, newest.types_now) == ("name", "vanished", None)
    assert newest.run_status is None
    assert "quarantine" in newest.done
    assert (older.types_before, older.types_after) == (["number"], ["string"])
    assert older.types_now == ["number", "string"]
    assert (older.run_id, older.run_status) == (run, "success")
    assert (older.processed, older.rejected) == (10, 3)
    assert older.detected_at == NOON


def test_drifts_filter_and_page(api: ApiClient, market: Market):
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    for n in range(6):
        source = gecko if n % 2 else paprika
        drifted(market, source, f"f{n}", "appeared", at=NOON + timedelta(days=n))

    seen = [
        drift.field
        for response in pages(api, "/stats/drift?limit=4")
        for drift in Listing[DriftEntry].model_validate_json(response.content).data
    ]

    assert seen == ["f5", "f4", "f3", "f2", "f1", "f0"]

    def count(query: str) -> int:
        return drifts_of(api, query).pagination.total

    assert count("source=gecko") == 3
    assert count("source=coinpaprika&namespace=crypto") == 3
    assert count("namespace=other") == 0
    assert count("field=f2") == 1
    assert count("change=vanished") == 0
    assert count("since=2026-11-21&until=2026-11-22") == 2
    assert api.get("/stats/drift?change=moved").status_code == 422
