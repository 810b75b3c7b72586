"""What holds for every request: ids, limits, headers, problems, and never a 5xx by parameters."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from cryptosource_api.coins.coin_list import DataParameters
from cryptosource_api.health.models import Index
from cryptosource_api.http.models import Problem, Single
from cryptosource_store.engine import session_engine
from support import postgres as postgres_support
from support.api import ApiClient, Market, api_client

ROUTES = (
    "/",
    "/data",
    "/data/summary",
    "/data/BTC",
    "/data/BTC/history",
    "/health",
    "/health/live",
    "/health/ready",
    "/stats",
    "/stats/runs",
)


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_declares_what_it_answers(api: ApiClient, market: Market, path):
    market.coin("BTC", market.source("gecko"))
    paths = api.get("/openapi.json").json()["paths"]
    declared = paths[path.replace("BTC", "{coin_id}")]["get"]["responses"]

    response = api.get(path)

    assert response.status_code == 200
    assert "application/json" in declared["200"]["content"]
    assert declared["500"] == {"$ref": "#/components/responses/internal-error"}


def test_the_description_refers_to_nothing_that_is_missing(api: ApiClient):
    text = api.get("/openapi.json").text
    description = json.loads(text)
    referred = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert referred <= set(description["components"]["schemas"])
    assert "HTTPValidationError" not in description["components"]["schemas"]
    names = {each["name"] for each in description["paths"]["/data"]["get"]["parameters"]}
    assert names == set(DataParameters.model_fields)


def test_the_index_lists_every_route(api: ApiClient):
    index = Single[Index].model_validate_json(api.get("/").content).data

    assert {"/data", "/data/{coin_id}", "/stats/runs", "/health", "/docs"} <= {
        route.path for route in index.routes
    }


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_docs_come_without_a_cdn(api: ApiClient, page):
    pytest.importorskip("fastapi_offline")
    response = api.get(page)
    links = [part.split('"')[0] for part in response.text.split('src="')[1:]]

    assert response.status_code == 200
    assert "//" not in "".join(links)
    assert [api.get(link).status_code for link in links] == [200] * len(links)
    assert "'unsafe-inline'" not in response.headers["content-security-policy"].split(";")[1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/data/", 404),
        ("POST", "/data", 405),
        ("DELETE", "/stats/runs", 405),
        ("GET", "/stats/runs/xyz", 422),
        ("GET", "/health?verbose=1", 422),
    ],
)
def test_every_error_is_a_problem_with_the_request_id(api: ApiClient, method, path, status):
    response = api.request(method, path, headers={"X-Request-ID": "mine-1"})

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.request_id) == (status, "mine-1")
    assert problem.instance == path.split("?")[0]
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<script>", "ü".encode(), "a/b"])
def test_an_insane_request_id_is_replaced(api: ApiClient, sent):
    given_id = api.get("/health/live", headers={"X-Request-ID": sent}).headers["x-request-id"]

    assert given_id != sent
    assert len(given_id) == 32


def test_json_carries_security_headers(api: ApiClient):
    headers = api.get("/health/live").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_sizes_are_bounded(api: ApiClient):
    async def chunks() -> object:
        for _ in range(5):
            yield b"x" * 20_000

    assert api.get("/data?symbol=" + "A" * 8192).status_code == 414
    assert api.request("GET", "/data", content=b"x" * (64 * 1024 + 1)).status_code == 413
    assert api.request("GET", "/data", content=b"x" * 1000).status_code == 200
    chunked = api.request(
        "GET", "/data", content=chunks(), headers={"Transfer-Encoding": "chunked"}
    )
    assert chunked.status_code == 413


def test_a_fault_of_ours_leaks_nothing_but_its_id(api: ApiClient, caplog):
    async def broken(_: object) -> None:
        raise RuntimeError("password=hunter2")

    api.app.add_route("/broken", broken)
    with caplog.at_level(logging.ERROR, logger="cryptosource.api"):
        response = api.get("/broken")

    problem = Problem.model_validate_json(response.content)
    assert (response.status_code, problem.status) == (500, 500)
    assert "hunter2" not in response.text
    assert caplog.records[0].request_id == problem.request_id


def test_one_log_line_per_request(api: ApiClient, caplog):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with caplog.at_level(logging.INFO, logger="cryptosource.api.access"):
        api.get("/data?limit=1", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})

    (record,) = [each for each in caplog.records if each.name == "cryptosource.api.access"]
    assert (record.path, record.query, record.status) == ("/data", "limit=1", 200)
    assert record.trace_id == trace


@pytest.fixture(scope="module")
def standing(postgres: URL, migrated_template: str) -> Iterator[ApiClient]:
    """A client of a database that many examples share."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        engine = session_engine(url, application="cryptosource-test")
        with Market(engine) as market:
            source = market.source("gecko")
            for n in range(3):
                market.coin(f"C{n}", source, rank=n, price_usd=n)
        with api_client(url) as client:
            yield client


NAMES = st.sampled_from([*DataParameters.model_fields, "since", "until", "status", "x"])
VALUES = st.one_of(
    st.text(max_size=30),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["rank", "name", "asc", "desc", "partial", "2026-11-20", "9999-12-31", "C1"]),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "%", "\\", "_"]),
)
PATHS = st.sampled_from(["/data", "/data/C1/history", "/data/C1", "/stats/runs", "/health"])


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=PATHS, query=st.dictionaries(NAMES, VALUES, max_size=3))
def test_no_parameter_makes_the_service_fail(standing: ApiClient, path, query):
    response = standing.get(path, params=query)

    forged = {400} if "cursor" in query else set()
    assert response.status_code in {200, 422} | forged


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.text(min_size=1, max_size=40))
def test_no_id_makes_the_service_fail(standing: ApiClient, name):
    response = standing.get(f"/data/{quote(name, safe='')}")

    assert response.status_code in {200, 404}
