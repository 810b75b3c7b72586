"""Rates per address and per key, shared through Redis; and how many requests at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from cryptosource_api.http.client_address import parse_networks
from cryptosource_api.http.models import Problem
from support.api import ApiClient, api_client
from support.api_keys import bearer, make_key
from support.redis import RunningRedis, redis_server

LOOPBACK = parse_networks("127.0.0.0/8")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RunningRedis]:
    with redis_server(tmp_path) as server:
        yield server


def statuses(api: ApiClient, count: int, path: str = "/data", **options) -> list[int]:
    return [api.get(path, **options).status_code for _ in range(count)]


def forwarded(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def test_an_address_that_asks_too_often_is_told_when_to_come_back(database: URL):
    with api_client(database, rate_per_address=3) as api:
        assert statuses(api, 3) == [200] * 3
        refused = api.get("/data")

    problem = Problem.model_validate_json(refused.content)
    assert problem.status == refused.status_code == 429
    assert problem.type.endswith("rate-limited")
    assert refused.headers["retry-after"] == "20"
    assert refused.headers["ratelimit-policy"] == '"address";q=3;w=60'
    assert refused.headers["ratelimit"].startswith('"address";r=0;t=')


def test_every_answer_says_what_is_left(database: URL):
    with api_client(database, rate_per_address=10) as api:
        left = [api.get(path).headers["ratelimit"] for path in ("/data", "/data", "/nowhere")]

    assert [each.partition(";t=")[0] for each in left] == [f'"address";r={n}' for n in (9, 8, 7)]


def test_probes_are_never_counted(database: URL):
    with api_client(database, rate_per_address=1) as api:
        assert statuses(api, 5, "/health/live") == [200] * 5
        assert statuses(api, 2) == [200, 429]


def test_a_probe_is_answered_however_often_its_key_has_asked(database: URL, engine: Engine):
    key = bearer(make_key(engine))
    with api_client(database, auth="keys", rate_per_key=1) as api:
        got = [api.get("/health/live", headers=key).status_code for _ in range(3)]

    assert got == [200, 200, 200]


def test_a_probe_with_a_key_needs_no_database(database: URL, engine: Engine):
    key = bearer(make_key(engine))
    with api_client(database.set(database="not_there"), auth="keys") as api:
        assert api.get("/health/live", headers=key).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Token x"}, {"Authorization": "Bearer x", "X-API-Key": "x"}],
)
def test_what_holds_no_key_that_can_be_read_counts_against_the_address(
    database: URL, headers: dict[str, str]
):
    with api_client(database, auth="keys", rate_per_address=1) as api:
        answers = [api.get("/data", headers=headers) for _ in range(3)]

    assert [each.status_code for each in answers] == [401, 429, 429]
    assert all("ratelimit" in each.headers for each in answers)


def test_zero_sets_no_limit(database: URL):
    with api_client(database, rate_per_address=0) as api:
        response = api.get("/data")

    assert response.status_code == 200
    assert "ratelimit" not in response.headers


def test_a_key_has_a_rate_of_its_own_whatever_its_address_did(database: URL, engine: Engine):
    key, other = make_key(engine), make_key(engine)
    with api_client(database, auth="keys", rate_per_address=4, rate_per_key=2) as api:
        assert statuses(api, 3, headers=bearer(key)) == [200, 200, 429]
        assert api.get("/data", headers=bearer(other)).status_code == 200
        refused = api.get("/data", headers=bearer(key))
        assert refused.headers["ratelimit-policy"] == '"key";q=2;w=60'


def test_trying_keys_is_counted_before_the_database_is_asked(database: URL, engine: Engine):
    make_key(engine)
    with api_client(database, auth="keys", rate_per_address=4) as api:
        tried = [
            api.get("/data", headers=bearer(f"csk_{n:012x}_{'A' * 43}")).status_code
            for n in range(6)
        ]

    assert tried == [401, 401, 429, 429, 429, 429]  # two of four for each: look-up and refusal


def test_a_forwarded_address_counts_where_the_proxy_is_trusted_and_only_there(database: URL):
    with api_client(database, rate_per_address=1, trusted_proxies=LOOPBACK) as api:
        assert statuses(api, 2, headers=forwarded("198.51.100.1")) == [200, 429]
        # What the client itself wrote stands on the left and counts for nothing.
        assert statuses(api, 1, headers=forwarded("192.0.2.9, 198.51.100.1")) == [429]
        assert statuses(api, 1, headers=forwarded("198.51.100.2, 127.0.0.9")) == [200]
    with api_client(database, rate_per_address=1) as api:
        assert statuses(api, 1, headers=forwarded("198.51.100.1")) == [200]
        assert statuses(api, 1, headers=forwarded("198.51.100.2")) == [429]


def test_a_subnet_of_ipv6_is_one_client(database: URL):
    with api_client(database, rate_per_address=1, trusted_proxies=LOOPBACK) as api:
        assert statuses(api, 1, headers=forwarded("2001:db8::1")) == [200]
        assert statuses(api, 1, headers=forwarded("2001:db8::ffff:1")) == [429]
        assert statuses(api, 1, headers=forwarded("2001:db8:0:1::1")) == [200]


def test_replicas_share_a_rate_through_redis(database: URL, redis: RunningRedis):
    shared = {"rate_per_address": 3, "redis_url": redis.url}
    with api_client(database, **shared) as one, api_client(database, **shared) as two:
        found = [api.get("/data") for api in (one, two, one, two)]

    assert [each.status_code for each in found] == [200, 200, 200, 429]
    assert found[3].headers["retry-after"] == "20"


def test_without_redis_each_replica_counts_by_itself_and_with_it_again_together(
    database: URL, redis: RunningRedis, monkeypatch
):
    monkeypatch.setattr("cryptosource_api.http.shared_rate_limits.RETRY_SECONDS", 0.0)
    shared = {"rate_per_address": 2, "redis_url": redis.url}
    with api_client(database, **shared) as one, api_client(database, **shared) as two:
        redis.stop()
        assert statuses(one, 3) == [200, 200, 429]
        assert statuses(two, 3) == [200, 200, 429]
        redis.start()
        assert statuses(one, 1) + statuses(two, 2) == [200, 200, 429]


def test_while_redis_is_away_it_is_not_asked_for_each_request(database: URL, redis: RunningRedis):
    with api_client(database, redis_url=redis.url, rate_per_address=2) as api:
        redis.stop()
        api.get("/data")
        redis.start()
        assert statuses(api, 2) == [200, 429]  # counted here, where Redis had two left


def test_more_requests_at_a_time_than_allowed_are_shed_and_probes_are_answered(database: URL):
    with api_client(database, concurrency=1) as api:
        found = api.at_once("/data", "/data?limit=1", "/data?limit=2", "/health/ready")
        after = api.get("/data")

    assert [each.status_code for each in found] == [200, 503, 503, 200]
    shed = Problem.model_validate_json(found[1].content)
    assert shed.type.endswith(":busy")
    assert found[1].headers["retry-after"] == "2"
    assert after.status_code == 200
