"""GET /metrics: what Prometheus is told, and what it is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL, Engine, text

from cryptosource_api.metrics import database_snapshot
from cryptosource_store.engine import session_engine
from support.api import ApiClient, Market, api_client
from support.readers import coin
from support.runs import identity, load

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def client(database: URL) -> Iterator[ApiClient]:
    with api_client(database) as client:
        yield client


def scrape(client: ApiClient) -> Samples:
    """Return every sample, with the database asked anew."""
    client.app.state.services.readings._read_at = float("-inf")
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """Return the one sample of a name that carries the labels; None for none."""
    found = [
        number
        for (sample, carried), number in samples.items()
        if sample == name and set(labels.items()) <= carried
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def test_a_run_shows_with_its_records_and_its_duration(client: ApiClient, database: URL) -> None:
    load(database, [coin("a"), coin("b"), coin("c", bad="Negative")])

    samples = scrape(client)

    labels = {"namespace": "test", "source": "a", "source_type": "scripted"}
    assert value(samples, "etl_runs_total", **labels) == 1
    assert value(samples, "etl_runs_total", status="success", reason="Completed") == 1
    assert value(samples, "etl_records_processed_total", result="loaded") == 2
    assert value(samples, "etl_records_processed_total", result="rejected") == 1
    assert value(samples, "etl_duration_seconds_count", status="success", **labels) == 1
    assert value(samples, "etl_duration_seconds_bucket", le="+Inf") == 1
    assert value(samples, "etl_consecutive_failures") == 0
    assert value(samples, "etl_records") == 2
    assert 0 <= (value(samples, "etl_freshness_seconds", **labels) or 0) < 300
    assert 0 <= (value(samples, "etl_checkpoint_age_seconds", **labels) or 0) < 300


def test_counters_never_fall_when_a_run_ends_or_its_row_goes(
    client: ApiClient, database: URL
) -> None:
    load(database, [coin("a")])
    with session_engine(database, application="test").connect() as connection:
        connection.execute(
            text(
                "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status,"
                " processed, loaded) SELECT gen_random_uuid(), source_id, uid, 'j', 'schedule',"
                " 'running', 7, 7 FROM sources"
            )
        )
        connection.commit()
        under_way = scrape(client)
        connection.execute(
            text(
                "UPDATE etl_runs SET status = 'failure', reason = 'UpstreamError',"
                " finished_at = clock_timestamp() WHERE status = 'running'"
            )
        )
        connection.commit()
        ended = scrape(client)
        connection.execute(text("DELETE FROM etl_runs"))
        connection.commit()
    gone = scrape(client)

    loaded = [
        value(samples, "etl_records_processed_total", result="loaded")
        for samples in (under_way, ended, gone)
    ]
    assert loaded == [8, 8, 8]
    assert value(under_way, "etl_running") == 1
    assert value(gone, "etl_runs_total", reason="UpstreamError") == 1
    assert value(gone, "etl_freshness_seconds") is not None


def test_two_replicas_show_the_same_values(client: ApiClient, database: URL) -> None:
    load(database, [coin("a")])

    with api_client(database) as other:
        one, two = scrape(client), scrape(other)

    def of_runs(samples: Samples) -> Samples:
        return {key: number for key, number in samples.items() if key[0].startswith("etl_runs")}

    assert of_runs(one) == of_runs(two)


def test_requests_are_counted_by_template_never_by_path(client: ApiClient) -> None:
    for path in ("/data", "/data/BTC", "/data/ETH", "/nothing/here", "/etc/passwd"):
        client.get(path)
    client.request("BREW", "/data")

    samples = scrape(client)

    routes = {
        dict(labels)["route"]
        for name, labels in samples
        if name in {"api_requests_total", "api_latency_seconds_count"}
    }
    assert routes == {"/data", "/data/{coin_id}", "other"}
    assert value(samples, "api_requests_total", route="/data/{coin_id}", status="404") == 2
    assert value(samples, "api_requests_total", route="other", method="GET") == 2
    assert value(samples, "api_latency_seconds_count", route="/data", method="GET") == 1
    assert {dict(labels).get("method") for _, labels in samples} <= {None, "GET", "other"}


def test_without_its_database_requests_still_show() -> None:
    away = URL.create("postgresql+psycopg2", "nobody", host="127.0.0.1", port=1, database="none")
    with api_client(away) as client:
        client.get("/health/live")

        samples = scrape(client)

    assert value(samples, "cryptosource_database_up") == 0
    assert value(samples, "api_requests_total", route="/health/live") == 1
    assert not [name for name, _ in samples if name.startswith("etl_")]


def test_a_database_without_our_tables_is_down_and_not_an_error(postgres: URL) -> None:
    with api_client(postgres) as client:
        assert value(scrape(client), "cryptosource_database_up") == 0


def test_many_scrapes_are_one_reading(client: ApiClient, database: URL, monkeypatch) -> None:
    asked = []
    before = database_snapshot.read_snapshot
    monkeypatch.setattr(
        database_snapshot, "read_snapshot", lambda *a, **k: (asked.append(1), before(*a, **k))[1]
    )

    answers = client.at_once(*["/metrics"] * 10)

    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) == 1


def test_sources_beyond_the_limit_are_only_counted(
    client: ApiClient, engine: Engine, monkeypatch
) -> None:
    for module in ("database_snapshot", "families"):
        monkeypatch.setattr(f"cryptosource_api.metrics.{module}.SOURCES_SHOWN", 2)
    with Market(engine) as market:
        for name in ("first", "second", "third"):
            market.source(name)

    samples = scrape(client)

    shown = {dict(labels)["source"] for name, labels in samples if name == "etl_suspended"}
    assert shown == {"first", "second"}
    assert value(samples, "cryptosource_sources") == 3
    assert value(samples, "cryptosource_sources_left_out") == 1


def test_a_hostile_name_is_one_label(client: ApiClient, database: URL) -> None:
    name = 'x"} 1\netl_runs_total{source="y'
    load(database, [coin("a")], source=identity(name))

    assert value(scrape(client), "etl_suspended", source=name) == 0


def test_a_request_that_nobody_takes_up_grows_old(client: ApiClient, engine: Engine) -> None:
    with Market(engine) as market:
        market.run_sql(
            "INSERT INTO run_requests (request_id, requested_at) "
            "VALUES (gen_random_uuid(), clock_timestamp() - interval '1 hour')"
        )

    samples = scrape(client)

    assert value(samples, "cryptosource_run_requests_pending") == 1
    assert (value(samples, "cryptosource_run_request_oldest_seconds") or 0) >= 3600


def test_a_missing_month_shows_by_its_table(client: ApiClient, engine: Engine) -> None:
    assert value(scrape(client), "cryptosource_partitions_missing", table="quotes") == 3

    months = [datetime.now(UTC).replace(day=1) + timedelta(days=31 * n) for n in range(3)]
    with engine.begin() as connection:
        for month in months:
            connection.execute(
                text("SELECT ensure_quote_partitions(ARRAY[CAST(:month AS date)])"),
                {"month": month},
            )

    assert value(scrape(client), "cryptosource_partitions_missing", table="quotes") == 0


def test_an_older_schema_is_a_pending_migration(client: ApiClient, engine: Engine) -> None:
    assert value(scrape(client), "cryptosource_migration_pending") == 0

    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    assert value(scrape(client), "cryptosource_migration_pending") == 1


def test_openmetrics_is_there_for_who_asks(client: ApiClient, database: URL) -> None:
    load(database, [coin("a")])
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}

    response = client.get("/metrics", headers=accept)

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(response.text)}
    assert {"etl_runs", "etl_duration_seconds", "etl_records_processed", "api_requests"} <= names
