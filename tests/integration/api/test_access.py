"""Keys: what they open, how they are sent, when they end; and the scheduler's token."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, text

from cryptosource_api.http.models import Problem
from cryptosource_store.api_keys import Scope
from support.api import ApiClient, api_client
from support.api_keys import bearer, make_key

OPEN = ("/health/live", "/health/ready", "/docs", "/redoc", "/openapi.json")
CLOSED = (
    "/",
    "/data",
    "/data/summary",
    "/data/BTC",
    "/health",
    "/stats",
    "/stats/runs",
    "/nowhere",
)
TOKEN = "a-token-that-nobody-guesses"
TOKEN_DIGEST = hashlib.sha256(TOKEN.encode()).digest()


@pytest.fixture
def guarded(database: URL) -> Iterator[ApiClient]:
    """An API that asks for keys."""
    with api_client(database, auth="keys", scheduler_token_digest=TOKEN_DIGEST) as client:
        yield client


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_documentation_need_no_key(guarded: ApiClient, path: str):
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_asks_for_one_even_what_does_not_exist(guarded: ApiClient, path: str):
    response = guarded.get(path)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="cryptosource"'
    assert Problem.model_validate_json(response.content).status == 401
    assert response.headers["content-type"] == "application/problem+json"


def test_a_key_is_taken_as_bearer_or_in_its_own_header(guarded: ApiClient, engine: Engine):
    key = make_key(engine)

    for headers in (bearer(key), {"X-API-Key": key}, {"Authorization": f"bearer  {key}"}):
        assert guarded.get("/data", headers=headers).status_code == 200


def test_a_browser_is_asked_for_the_key_as_a_password_and_may_read_with_it(
    guarded: ApiClient, engine: Engine
):
    key = make_key(engine, Scope.ADMIN)
    asked = guarded.get("/data", headers={"Accept": "text/html"})

    assert asked.headers["www-authenticate"].startswith("Basic realm=")  # the only challenge
    assert guarded.get("/data", headers=basic("anyone", key)).status_code == 200
    assert guarded.request("POST", "/data", headers=basic("anyone", key)).status_code == 401


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: "csk_000000000000_" + key.split("_", 2)[2],
        lambda key: key.upper(),
        lambda key: key + "A",
        lambda _: "",
        lambda _: "\xff\xfe",
        lambda _: "' OR 1=1 --",
    ],
)
def test_what_is_no_key_in_force_is_refused_alike(guarded: ApiClient, engine: Engine, spoilt):
    value = spoilt(make_key(engine)).encode("latin-1")

    response = guarded.get("/data", headers={"X-API-Key": value})

    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert response.json()["detail"] == "The key is unknown, revoked or expired"


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer a"), ("X-API-Key", "b")],
        [("X-API-Key", "a"), ("X-API-Key", "b")],
        [("Authorization", "Digest a")],
        [("Authorization", "Basic !")],
    ],
)
def test_several_credentials_or_unreadable_ones_are_told_what_to_send(guarded: ApiClient, headers):
    response = guarded.get("/data", headers=headers)

    assert response.status_code == 401
    assert "Authorization" in response.json()["detail"]


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        ([Scope.READ], "/data", 200),
        ([Scope.TRIGGER], "/data", 403),
        ([Scope.ADMIN], "/data", 200),
        ([Scope.READ], "/health/detailed", 403),
        ([Scope.READ, Scope.TRIGGER], "/stats", 200),
    ],
)
def test_a_key_opens_what_its_scopes_say(guarded: ApiClient, engine: Engine, scopes, path, status):
    response = guarded.get(path, headers=bearer(make_key(engine, *scopes)))

    assert response.status_code == status
    if status == 403:
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_things_needs_the_scope_trigger_wherever_it_is(
    guarded: ApiClient, engine: Engine, method: str
):
    reader, starter = make_key(engine, Scope.READ), make_key(engine, Scope.TRIGGER)

    assert guarded.request(method, "/data", headers=bearer(reader)).status_code == 403
    assert guarded.request(method, "/data", headers=bearer(starter)).status_code == 405


def test_the_schedulers_token_triggers_and_reads_nothing(guarded: ApiClient):
    assert guarded.request("POST", "/data", headers=bearer(TOKEN)).status_code == 405
    assert guarded.get("/data", headers=bearer(TOKEN)).status_code == 403


def test_a_revoked_key_ends_within_the_seconds_that_a_look_up_is_believed(
    guarded: ApiClient, engine: Engine, monkeypatch
):
    key = make_key(engine)
    assert guarded.get("/data", headers=bearer(key)).status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE api_keys SET revoked_at = clock_timestamp()"))

    seconds_later(monkeypatch, 3.1)

    assert guarded.get("/data", headers=bearer(key)).status_code == 401


def seconds_later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    from cryptosource_api.http import api_keys as keys  # noqa: PLC0415

    real = keys.time.monotonic
    monkeypatch.setattr("cryptosource_api.http.api_keys.time.monotonic", lambda: real() + seconds)


def test_a_use_is_noted_once_in_ten_minutes_and_only_of_the_right_key(
    guarded: ApiClient, engine: Engine, monkeypatch
):
    key = make_key(engine)

    def last_used() -> object:
        with engine.connect() as connection:
            return connection.scalar(text("SELECT last_used_at FROM api_keys"))

    guarded.get("/data", headers=bearer(key[:-2] + "zz"))
    assert last_used() is None
    seconds_later(monkeypatch, 10)
    guarded.get("/data", headers=bearer(key))
    first = last_used()
    seconds_later(monkeypatch, 10)
    guarded.get("/data", headers=bearer(key))
    assert first is not None
    assert last_used() == first


def test_remembered_keys_are_bounded(guarded: ApiClient, engine: Engine, monkeypatch):
    monkeypatch.setattr("cryptosource_api.http.api_keys.MAX_KEYS", 3)
    keys = [make_key(engine) for _ in range(5)]

    assert [guarded.get("/data", headers=bearer(key)).status_code for key in keys] == [200] * 5
    assert guarded.get("/data", headers=bearer(keys[0])).status_code == 200


def test_without_a_database_no_key_is_believed(database: URL, engine: Engine):
    key = make_key(engine)
    with api_client(database.set(port=1, host="127.0.0.1", query={}), auth="keys") as client:
        response = client.get("/data", headers=bearer(key))
        assert response.status_code == 503
        assert client.get("/health/live").status_code == 200


def test_a_laptop_needs_no_key(api: ApiClient):
    assert api.get("/data").status_code == 200
    assert api.request("POST", "/data").status_code == 405


def test_with_a_token_alone_reading_is_free_and_triggering_is_not(database: URL):
    with api_client(database, scheduler_token_digest=TOKEN_DIGEST) as client:
        assert client.get("/data").status_code == 200
        assert client.request("POST", "/data").status_code == 401
        assert client.request("POST", "/data", headers=bearer(TOKEN)).status_code == 405


def test_the_description_names_the_ways_to_prove_who_asks(guarded: ApiClient, api: ApiClient):
    described = guarded.get("/openapi.json").json()

    assert set(described["components"]["securitySchemes"]) == {"bearer", "header"}
    assert described["paths"]["/data"]["get"]["security"]
    assert "security" not in described["paths"]["/health/live"]["get"]
    assert "securitySchemes" not in api.get("/openapi.json").json()["components"]


def test_a_websocket_is_refused_with_a_response(guarded: ApiClient):
    sent = []

    async def send(message):
        sent.append(message)

    async def connect() -> None:
        scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b""}
        await guarded.app(scope, None, send)

    guarded._runner.run(connect())

    assert [message["type"] for message in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[0]["status"] == 401
