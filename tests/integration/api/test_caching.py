"""An unchanged page is not rebuilt, and a commit is seen at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL, event

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.settings import ApiSettings
from support.api import ApiClient, Market, api_client


@pytest.fixture
def statements() -> list[str]:
    return []


@pytest.fixture
def watched(database: URL, statements: list[str]) -> Iterator[ApiClient]:
    """A client whose statements are written down: all of them on threads, by the engine."""
    settings = ApiSettings(version_check_seconds=0.0, pool_size=1)
    engine = api_engine(database, settings)
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2].strip()))
    client = ApiClient(create_app(settings, engine))
    yield client
    client.close()
    engine.dispose()


@contextmanager
def counted(statements: list[str]) -> Iterator[list[str]]:
    """The statements within that build a page."""
    before = len(statements)
    built: list[str] = []
    yield built
    prepared = [each for each in statements if each.startswith("PREPARE")]
    builders = {each.split()[1] for each in prepared if "row_to_json" in each}
    for each in statements[before:]:
        name = each.replace("(", " ").split()[1]
        by_name = each.startswith("EXECUTE") and name in builders
        if by_name or (each not in prepared and "row_to_json" in each):
            built.append(each)


@pytest.mark.parametrize("path", ["/data", "/data?sort=name", "/data/BTC", "/data/summary"])
def test_an_unchanged_answer_is_built_once(watched: ApiClient, statements, market: Market, path):
    market.coin("BTC", market.source("gecko"), price_usd=1)
    with counted(statements) as built:
        first, second = watched.get(path), watched.get(path)

    assert len(built) == 1
    one, two = first.json(), second.json()
    assert one.pop("meta")["request_id"] != two.pop("meta")["request_id"]
    assert one == two
    assert first.headers["etag"] == second.headers["etag"]


def test_a_commit_is_seen_and_changes_the_etag(watched: ApiClient, market: Market):
    source = market.source("gecko")
    market.coin("BTC", source)
    before = watched.get("/data")
    market.coin("ETH", source)
    after = watched.get("/data")

    assert [len(each.json()["data"]) for each in (before, after)] == [1, 2]
    assert before.headers["etag"] != after.headers["etag"]


@pytest.mark.parametrize("options", ["", "&sort=name"])
def test_a_source_that_is_retired_leaves_the_lists_of_its_type_before_anything_is_loaded(
    watched: ApiClient, market: Market, options: str
):
    market.coin("BTC", market.source("gecko"))
    path = f"/data?source=coingecko{options}"
    before = watched.get(path)
    held = {"If-None-Match": before.headers["etag"]}
    market.run_sql("UPDATE sources SET retired_at = now()")
    retired = watched.get(path, headers=held)
    market.run_sql("UPDATE sources SET retired_at = NULL")
    again = watched.get(path, headers={"If-None-Match": retired.headers["etag"]})

    assert [each.status_code for each in (before, retired, again)] == [200, 200, 200]
    assert [len(each.json()["data"]) for each in (before, retired, again)] == [1, 0, 1]


def test_a_source_is_in_the_summary_before_it_loads(watched: ApiClient, market: Market):
    before = watched.get("/data/summary")
    market.source("gecko")
    after = watched.get("/data/summary", headers={"If-None-Match": before.headers["etag"]})

    assert before.json()["data"]["sources"] == []
    assert [each["source"] for each in after.json()["data"]["sources"]] == ["gecko"]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_an_export_of_a_source_that_is_retired_is_another_one(
    watched: ApiClient, market: Market, form: str
):
    market.coin("BTC", market.source("gecko"))
    path = f"/data?source=coingecko&format={form}"
    etag = watched.get(path).headers["etag"]
    market.run_sql("UPDATE sources SET retired_at = now()")

    assert watched.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_coins_of_all_sources_do_not_change_with_the_sources(watched: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))
    held = {"If-None-Match": watched.get("/data").headers["etag"]}
    market.source("paprika", "coinpaprika")

    assert watched.get("/data", headers=held).status_code == 304


def test_a_client_that_holds_the_answer_gets_304(watched: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))
    etag = watched.get("/data").headers["etag"]

    for sent in (etag, f'"other", {etag}', "*", etag.removeprefix("W/")):
        response = watched.get("/data", headers={"If-None-Match": sent})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert watched.get("/data", headers={"If-None-Match": '"other"'}).status_code == 200
    assert watched.get("/data?limit=7", headers={"If-None-Match": etag}).status_code == 200


def test_meta_is_right_for_each_request(watched: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))
    for name in ("a", "b"):
        response = watched.get("/data", headers={"X-Request-ID": name})
        meta = json.loads(response.content)["meta"]
        assert meta["request_id"] == response.headers["x-request-id"] == name
        assert meta["api_latency_ms"] > 0


def test_a_page_takes_one_statement(watched: ApiClient, statements, market: Market):
    market.coin("BTC", market.source("gecko"))
    with counted(statements) as built:
        watched.get("/data?symbol=BTC&source=gecko&limit=5")

    assert len(built) == 1


def test_what_is_kept_is_answered_without_a_route_until_the_version_is_asked_for_again(
    database: URL, market: Market, monkeypatch
):
    source = market.source("gecko")
    market.coin("BTC", source)
    clock = [0.0]
    monkeypatch.setattr("cryptosource_api.database.data_version.time.monotonic", lambda: clock[0])
    with api_client(database, version_check_seconds=0.5) as api:
        first = api.get("/data")
        monkeypatch.setattr("cryptosource_api.app_state.answer", None)  # routes would fail
        kept = api.get("/data")
        held = api.get("/data", headers={"If-None-Match": first.headers["etag"]})
        monkeypatch.undo()
        market.coin("ETH", source)

        assert (kept.status_code, held.status_code, held.content) == (200, 304, b"")
        assert kept.json()["data"] == first.json()["data"]
        assert held.headers["x-request-id"] != kept.headers["x-request-id"]
        names = {"etag", "cache-control", "vary", "content-type", "x-content-type-options"}
        assert all(kept.headers[name] == first.headers[name] for name in names)
        assert len(api.get("/data").json()["data"]) == 2
