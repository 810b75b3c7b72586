"""GET /stats, /stats/runs, /stats/runs/{id}."""

from __future__ import annotations

import uuid
from datetime import timedelta

from cryptosource_api.http.models import Listing, Problem, Single
from cryptosource_api.runs.models import Run, RunDetail, Stats
from support.api import NOON, ApiClient, Market, pages


def test_stats_count_runs_records_and_checkpoints(api: ApiClient, market: Market):
    source = market.source("gecko", schedule="*/5 * * * *")
    market.run(source, "success", processed=10, loaded=7, unchanged=2, rejected=1)
    market.run(
        source, "failure", reason="UpstreamUnreachable", started_at=NOON + timedelta(hours=1)
    )
    market.run(source, "skipped", started_at=NOON - timedelta(hours=1))
    market.run_sql(
        "INSERT INTO etl_checkpoints (source_id, cursor, records_committed) VALUES "
        """(:s, '{"page": 3, "etag": "abc", "nested": {"a": 1}}', 10)""",
        s=source,
    )
    market.run_sql(
        "INSERT INTO rejected_records (source_id, digest, reason, detail, contract_version, raw_id,"
        " run_id) VALUES (:s, gen_random_uuid(), 'NotFinite', 'NaN', '1', 1, gen_random_uuid())",
        s=source,
    )

    stats = Single[Stats].model_validate_json(api.get("/stats").content).data

    assert (stats.totals.runs, stats.totals.success, stats.totals.failure) == (3, 1, 1)
    assert (stats.totals.loaded, stats.totals.sources) == (7, 1)
    (gecko,) = stats.sources
    assert (gecko.skipped, gecko.interrupted, gecko.quarantined, gecko.drifts) == (1, 0, 1, 0)
    assert gecko.last_run is not None
    assert gecko.last_run.reason == "UpstreamUnreachable"
    assert gecko.checkpoint is not None
    assert gecko.checkpoint.cursor == {"etag": "abc", "page": 3}
    assert gecko.checkpoint.records_committed == 10


def test_stats_of_an_empty_database(api: ApiClient):
    stats = Single[Stats].model_validate_json(api.get("/stats").content).data

    assert (stats.totals.runs, stats.totals.coins, stats.sources) == (0, 0, [])


def test_runs_page_newest_first_and_filter(api: ApiClient, market: Market):
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    for n in range(9):
        source, status = (gecko, "success") if n % 2 else (paprika, "failure")
        reason = "Completed" if n % 2 else "RateLimited"
        # three runs share each start, so the run id has to break ties
        market.run(source, status, reason=reason, started_at=NOON + timedelta(minutes=n // 3))

    seen = [
        run.run_id
        for response in pages(api, "/stats/runs?limit=2")
        for run in Listing[Run].model_validate_json(response.content).data
    ]
    assert len(set(seen)) == len(seen) == 9

    def count(query: str) -> int:
        return api.get(f"/stats/runs?{query}").json()["pagination"]["total"]

    assert count("source=gecko") == 4
    assert count("source=coinpaprika") == 5
    assert count("status=failure&reason=RateLimited") == 5
    assert count("since=2026-11-20T12:01:00Z&until=2026-11-20T12:01:00Z") == 3
    assert count("trigger=manual") == 0


def test_a_run_shows_what_it_rejected_and_the_drifts_it_saw(api: ApiClient, market: Market):
    source = market.source("gecko")
    run = market.run(source, processed=1, rejected=1)
    market.run_sql(
        "INSERT INTO rejected_records (source_id, digest, reason, field, detail, contract_version,"
        " raw_id, run_id) VALUES (:s, gen_random_uuid(), 'NotFinite', 'price_usd', 'NaN', '1', 1,"
        " CAST(:r AS uuid))",
        s=source,
        r=str(run),
    )
    market.run_sql(
        "INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after)"
        """ VALUES (:s, CAST(:r AS uuid), 'price', 'retyped', '["number"]', '["string"]')""",
        s=source,
        r=str(run),
    )

    detail = Single[RunDetail].model_validate_json(api.get(f"/stats/runs/{run}").content).data

    assert detail.run_id == run
    assert [(r.field, r.reason) for r in detail.rejects] == [("price_usd", "NotFinite")]
    assert [(d.field, d.types_after) for d in detail.drifts] == [("price", ["string"])]


def test_an_unknown_run_is_404_and_a_bad_id_422(api: ApiClient):
    assert api.get(f"/stats/runs/{uuid.uuid4()}").status_code == 404
    response = api.get("/stats/runs/latest")
    assert response.status_code == 422
    assert Problem.model_validate_json(response.content).errors[0].parameter == "run_id"
