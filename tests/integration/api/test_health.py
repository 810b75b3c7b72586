"""GET /health, /health/live, /health/ready, and what happens when the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine, text

from cryptosource_api.health.models import Health, Ready
from cryptosource_api.http.models import Problem, Single
from cryptosource_store.engine import session_engine
from support.api import NOON, ApiClient, Market, api_client
from support.revisions import set_revision


def health_of(api: ApiClient) -> Health:
    response = api.get("/health")
    assert response.status_code == 200
    return Single[Health].model_validate_json(response.content).data


def test_health_names_the_sources_that_degrade_it_and_why(api: ApiClient, market: Market):
    good, bad = market.source("good"), market.source("bad", "coinpaprika")
    market.source("asleep", "csv", suspended=True)
    market.source("unborn", "csv")
    market.run(good)
    for hour in (1, 2):
        market.run(
            bad,
            "failure",
            reason="UpstreamUnreachable",
            message="api.coinpaprika.com: no route",
            started_at=NOON.replace(hour=hour),
        )
    market.run(bad, "skipped", started_at=NOON)

    health = health_of(api)

    assert health.status == "degraded"
    assert {(d.source, d.reason) for d in health.degraded} == {
        ("bad", "UpstreamUnreachable"),
        ("unborn", "NeverRun"),
    }
    states = {source.source: source for source in health.sources}
    assert {name: source.state for name, source in states.items()} == {
        "good": "ok",
        "bad": "failing",
        "asleep": "suspended",
        "unborn": "never_run",
    }
    assert states["bad"].consecutive_failures == 2
    assert states["bad"].message == "api.coinpaprika.com: no route"


def test_a_retired_source_neither_degrades_health_nor_is_counted(api: ApiClient, market: Market):
    market.run(market.source("good"))
    market.run(market.source("gone"), "failure", reason="UpstreamUnreachable")
    market.run_sql("UPDATE sources SET retired_at = now() WHERE name = 'gone'")

    assert health_of(api).status == "ok"
    assert [source.source for source in health_of(api).sources] == ["good"]
    assert api.get("/stats").json()["data"]["totals"]["sources"] == 1


def test_an_old_success_is_stale(api: ApiClient, market: Market):
    source = market.source("gecko", max_age_seconds=900)
    run = market.run(source)
    market.run_sql(
        "UPDATE etl_runs SET started_at = now() - interval '2 hours', "
        "finished_at = now() - interval '1 hour' WHERE run_id = CAST(:r AS uuid)",
        r=str(run),
    )

    (source_health,) = health_of(api).sources

    assert (source_health.state, source_health.reason) == ("stale", "Stale")
    assert source_health.freshness.age_seconds is not None
    assert source_health.freshness.age_seconds >= 3600


def test_a_source_that_never_succeeded_has_no_age_and_a_replay_is_no_success(
    api: ApiClient, market: Market
):
    source = market.source("gecko", max_age_seconds=900)
    market.run(source, "failure", reason="UpstreamUnreachable")
    market.run(source, "success", trigger="replay")

    (source_health,) = health_of(api).sources

    assert source_health.freshness.age_seconds is None
    assert source_health.last_success_at is None


def test_ready_on_a_schema_that_a_newer_version_has_migrated(api: ApiClient, database: URL):
    newer = "9999_of_a_newer_version"
    set_revision(database, newer)

    response = api.get("/health/ready")

    assert Single[Ready].model_validate_json(response.content).data.revision == newer


def test_ready_needs_the_schema_of_this_version(api: ApiClient, engine: Engine):
    assert Single[Ready].model_validate_json(api.get("/health/ready").content).data.status == "ok"

    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    response = api.get("/health/ready")

    assert response.status_code == 503
    assert "cryptosource migrate" in Problem.model_validate_json(response.content).detail


def test_not_ready_on_a_schema_that_no_released_version_makes(api: ApiClient, database: URL):
    set_revision(database, "0007")

    response = api.get("/health/ready")

    assert response.status_code == 503
    assert "at revision 0007" in Problem.model_validate_json(response.content).detail


@contextmanager
def closed(maintenance: URL, database: URL) -> Iterator[None]:
    """Close a database to everybody, and open it again."""
    name = database.database
    engine = session_engine(maintenance, application="cryptosource-test")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        admin.execute(text(ending), {"name": name})
        yield
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))


def test_without_a_database_everything_says_so_and_recovers(
    postgres: URL, database: URL, engine: Engine
):
    with Market(engine) as market:
        market.coin("BTC", market.source("gecko"))
    with api_client(database) as api:
        assert api.get("/data").status_code == 200
        with closed(postgres, database):
            assert_down(api, database)
        assert api.get("/data").status_code == 200


def assert_down(api: ApiClient, database: URL) -> None:
    for path in ("/data", "/data/BTC", "/stats", "/health/ready"):
        response = api.get(path)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "2"
        problem = Problem.model_validate_json(response.content)
        assert problem.type == "urn:cryptosource:problem:database-unavailable"
        assert str(database.database) not in response.text
    health = health_of(api)
    assert (health.status, health.database.reason) == ("down", "DatabaseUnavailable")
    assert api.get("/health/live").status_code == 200


def test_an_unmigrated_database_is_503_and_not_a_fault(database: URL, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE dataset_versions CASCADE"))

    with api_client(database) as api:
        response = api.get("/data")

    assert response.status_code == 503
    assert response.json()["type"].endswith("schema-outdated")


def test_a_slow_statement_is_503(database: URL, engine: Engine):
    with engine.connect() as holder, api_client(database, statement_timeout_seconds=1) as api:
        holder.execute(text("LOCK TABLE unified IN ACCESS EXCLUSIVE MODE"))
        response = api.get("/data")

    assert response.status_code == 503
    assert response.headers["retry-after"]


def test_a_full_pool_is_503_for_all_who_wait(database: URL, engine: Engine):
    limits = {"pool_size": 1, "pool_wait_seconds": 0.2, "statement_timeout_seconds": 1}
    with engine.connect() as holder, api_client(database, **limits) as api:
        holder.execute(text("LOCK TABLE etl_runs IN ACCESS EXCLUSIVE MODE"))
        responses = api.at_once(*["/stats"] * 8)

    kinds = [response.json()["type"].rpartition(":")[2] for response in responses]
    assert [response.status_code for response in responses] == [503] * 8
    assert kinds.count("pool-exhausted") == 7
