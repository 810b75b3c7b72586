"""The OWASP API Security Top 10 of 2023, a test for each row that applies to this service.

API7 (requests forged through us) and API10 (what upstreams send) concern the ETL job: tests/unit/http
and tests/unit/sources hold them. Of API8, TLS ends in front of the service (SECURITY.md). The other
half of API9, that nothing described goes away under the same version, is
tests/unit/api/test_description_gate.py; that nothing undescribed is answered, tests/fuzz.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, text

from cryptosource_api.http.access import OPEN_PATHS, needed_scopes
from cryptosource_api.settings import ApiSettings
from cryptosource_store.api_keys import Scope
from support.api import ApiClient, Market, api_client
from support.api_keys import bearer, make_key

CANARY = "canary-in-a-payload"


@pytest.fixture
def guarded(database: URL) -> Iterator[ApiClient]:
    with api_client(database, auth="keys") as client:
        yield client


def test_api1_a_namespace_is_answered_alone_where_it_is_asked_for(api: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))
    market.coin("ETH", market.source("other", namespace="team-b"))

    shown = api.get("/data?namespace=team-b").json()["data"]

    assert [(each["id"], each["namespace"]) for each in shown] == [("ETH", "team-b")]


def test_api2_a_stolen_table_of_keys_opens_nothing(guarded: ApiClient, engine: Engine):
    key = make_key(engine)
    with engine.connect() as connection:
        stored = connection.execute(
            text("SELECT key_id, encode(digest, 'hex') FROM api_keys")
        ).one()

    for part in (*stored, f"csk_{stored[0]}_{stored[1]}"):
        assert guarded.get("/data", headers=bearer(part)).status_code == 401
    assert guarded.get("/data", headers=bearer(key)).status_code == 200


def test_api3_no_answer_holds_the_payload_as_it_was_received(api: ApiClient, market: Market):
    source = market.source("gecko")
    market.coin("BTC", source)
    market.run_sql("SELECT ensure_raw_partitions('coingecko', ARRAY[current_date])")
    market.run_sql(
        "INSERT INTO raw_records (source_type, raw_id, ingested_at, source_id, run_id, external_id,"
        " observed_at, digest, scrubbed, payload) VALUES ('coingecko', 1, now(), :source,"
        " gen_random_uuid(), 'btc', now(), gen_random_uuid(), false, CAST(:payload AS jsonb))",
        source=source,
        payload=f'{{"secret": "{CANARY}"}}',
    )

    for path in readable(api):
        assert CANARY not in api.get(path).text, path


def readable(api: ApiClient) -> list[str]:
    """Every path of the description that can be asked for without knowing an id."""
    paths = api.get("/openapi.json").json()["paths"]
    found = [path.replace("{coin_id}", "BTC") for path in paths if "get" in paths[path]]
    return [path for path in found if "{" not in path and path != "/data/stream"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=201", 422),
        ("page_size=101", 422),
        ("offset=100001", 422),
        (f"symbol={'x' * 300}", 422),
        ("&".join(f"a{n}=1" for n in range(50)), 422),
        (f"symbol={'x' * 10_000}", 414),
    ],
)
def test_api4_nobody_gets_more_than_the_bounds_of_a_list(api: ApiClient, query: str, status: int):
    assert api.get(f"/data?{query}").status_code == status


def test_api4_and_api6_asking_too_often_ends_in_429_for_triggers_too(database: URL, engine: Engine):
    key = make_key(engine, Scope.TRIGGER)
    with api_client(database, auth="keys", rate_per_key=2) as api:
        asked = [
            api.request("POST", "/trigger-etl", headers=bearer(key), json={"source": "x"})
            for _ in range(3)
        ]

    assert asked[2].status_code == 429
    assert int(asked[2].headers["retry-after"]) > 0


def test_api5_a_reader_changes_nothing_anywhere(guarded: ApiClient, engine: Engine):
    reader = bearer(make_key(engine, Scope.READ))
    paths = guarded.get("/openapi.json").json()["paths"]

    for path in paths:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = guarded.request(method, path.replace("{", "").replace("}", ""), headers=reader)
            expected = 405 if path in OPEN_PATHS else 403
            assert answer.status_code == expected, (method, path)


def test_api8_answers_name_no_server_and_forbid_to_be_framed_or_guessed_at(api: ApiClient):
    headers = api.get("/data").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in api.get("/data", headers=asked).headers


def test_api8_a_failure_of_ours_says_nothing_of_how(api: ApiClient, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("cryptosource_api.runs.routes.read_stats", fail)
    with caplog.at_level(logging.ERROR, logger="cryptosource.api"):
        answer = api.get("/stats")

    assert answer.status_code == 500
    assert CANARY not in answer.text
    assert CANARY in caplog.text


def test_api8_out_of_the_box_only_this_machine_can_ask():
    assert ApiSettings().host == "127.0.0.1"


def test_api8_one_setting_takes_the_documentation_away_everywhere(database: URL):
    with api_client(database, docs=False) as api:
        paths = ("/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css")
        listed = {route["path"] for route in api.get("/").json()["data"]["routes"]}
        page = api.get("/", headers={"Accept": "text/html"}).text

        assert {path: api.get(path).status_code for path in paths} == dict.fromkeys(paths, 404)
        assert "/data" in listed
        assert not listed & set(paths)
        assert "/docs" not in page


def test_api9_every_route_is_described_and_none_is_open_but_those_listed(guarded: ApiClient):
    paths = guarded.get("/openapi.json").json()["paths"]

    for path, operations in paths.items():
        for method in operations:
            assert bool(needed_scopes(method.upper(), path)) == (path not in OPEN_PATHS)
            if path not in OPEN_PATHS:
                assert guarded.request(method.upper(), path).status_code == 401
