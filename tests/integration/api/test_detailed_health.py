"""GET /health/detailed, on a database that is there, behind, or away."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import URL, Engine, make_url, text

from cryptosource_api.health.models import DetailedHealth
from cryptosource_api.http.models import Single
from cryptosource_store.maintenance import months_ahead
from cryptosource_store.partitions import ensure_quote_partitions, ensure_raw_partitions
from cryptosource_store.schema_migration import head_revision
from support.api import ApiClient, Market, api_client


def detail_of(api: ApiClient) -> DetailedHealth:
    response = api.get("/health/detailed")
    assert response.status_code == 200, response.text
    return Single[DetailedHealth].model_validate_json(response.content).data


def test_it_tells_size_partitions_pool_migrations_and_memory(
    api: ApiClient, engine: Engine, market: Market
):
    this_month, next_month, after_next = months_ahead(datetime.now(UTC), 2)
    with engine.begin() as connection:
        ensure_quote_partitions(connection, [this_month, next_month, after_next])
        ensure_raw_partitions(connection, "coingecko", [this_month])

    health = detail_of(api)

    assert health.status == "ok"
    assert health.storage is not None
    assert health.storage.bytes == market.run_sql("SELECT pg_database_size(current_database())")
    quotes, raw = health.storage.tables
    assert (quotes.table, quotes.partitions) == ("quotes", 3)
    assert (quotes.months_ahead, quotes.next_month_ready) == (2, True)
    assert quotes.first is not None
    assert quotes.end is not None
    assert (quotes.first.year, quotes.first.month, quotes.first.day) == (*this_month, 1)
    assert quotes.bytes > 0
    assert (raw.table, raw.partitions, raw.months_ahead) == ("raw_coingecko", 1, 0)
    assert not raw.next_month_ready
    assert health.migrations is not None
    assert health.migrations.current == health.migrations.expected == head_revision()
    assert health.migrations.usable
    assert (health.pool.size, health.pool.at_work, health.pool.waiting) == (4, 1, 0)
    assert health.process.resident_bytes is None or health.process.resident_bytes > 2**20
    assert health.process.most_resident_bytes > 2**20
    assert health.process.uptime_seconds >= 0


def test_each_source_has_its_freshness_and_the_age_of_its_checkpoint(
    api: ApiClient, market: Market
):
    source = market.source("gecko", max_age_seconds=900)
    market.source("unborn")
    market.run(source)
    market.run_sql(
        "INSERT INTO etl_checkpoints (source_id, records_committed, updated_at) "
        "VALUES (:s, 250, clock_timestamp() - interval '1 hour')",
        s=source,
    )

    gecko, unborn = detail_of(api).sources

    assert gecko.checkpoint is not None
    assert gecko.checkpoint.records_committed == 250
    assert 3600 <= gecko.checkpoint.age_seconds < 4600
    assert gecko.freshness.max_age_seconds == 900
    assert (unborn.state, unborn.checkpoint) == ("never_run", None)


def test_a_schema_that_is_behind_is_told_with_both_revisions(api: ApiClient, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))

    health = detail_of(api)

    assert (health.status, health.database.reason) == ("down", "SchemaOutdated")
    assert health.migrations is not None
    assert (health.migrations.current, health.migrations.usable) == (None, False)
    assert health.storage is None


def test_without_a_database_the_process_still_tells_of_itself(postgres: URL):
    with api_client(make_url(postgres).set(database="there_is_none")) as api:
        health = detail_of(api)

    assert (health.status, health.database.reason) == ("down", "DatabaseUnavailable")
    assert (health.storage, health.migrations, health.sources) == (None, None, [])
    assert health.process.version
