"""POST /trigger-etl and GET /trigger-etl/{id}, on a real database."""

from __future__ import annotations

import asyncio
import hashlib
import select
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, Engine, text

from cryptosource_api.http.models import Problem, Single
from cryptosource_api.triggers.models import PlacedRequest, RunRequest
from cryptosource_store.engine import session_engine
from cryptosource_store.run_requests import StartedJob, answer_request
from cryptosource_store.statements.run_requests import PENDING_REQUESTS, REQUESTS_CHANNEL
from support.api import NOON, ApiClient, Market, api_client

PATH = "/trigger-etl"


def ask(api: ApiClient, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.request("POST", PATH, json=body or {"source": "gecko"}, headers=headers)


def placed(response: httpx.Response) -> PlacedRequest:
    assert response.status_code == 202, response.text
    return Single[PlacedRequest].model_validate_json(response.content).data


def problem(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == "application/problem+json"
    return Problem.model_validate_json(response.content)


def look(api: ApiClient, request_id: uuid.UUID) -> RunRequest:
    response = api.get(f"{PATH}/{request_id}")
    assert response.status_code == 200, response.text
    return Single[RunRequest].model_validate_json(response.content).data


def answer(engine: Engine, request_id: uuid.UUID, *jobs: tuple[int, str], **over: Any) -> bool:
    """Answer a request as the operator does; a job is (source_id, name)."""
    started = [StartedJob(source_uid=f"uid-{source}", job_name=name) for source, name in jobs]
    with engine.begin() as connection:
        values = {"by": "operator/here", "jobs": started, **over}
        return answer_request(connection, str(request_id), **values)


@pytest.fixture
def gecko(market: Market) -> int:
    return market.source("gecko")


def test_a_request_is_placed_with_the_place_to_look_for_it(
    api: ApiClient, market: Market, gecko: int
):
    response = ask(api)

    answered = placed(response)
    assert response.headers["location"] == f"{PATH}/{answered.request_id}"
    assert (answered.source, answered.namespace, answered.coalesced) == ("gecko", "crypto", False)
    assert answered.expires_at - answered.requested_at == pytest.approx(
        timedelta(minutes=10), abs=timedelta(seconds=1)
    )
    row = "SELECT source_id FROM run_requests WHERE status = 'pending' AND requested_by = :by"
    assert market.run_sql(row, by="anonymous") == gecko


def test_a_request_for_all_names_no_source(api: ApiClient, market: Market, gecko: int):
    answered = placed(ask(api, all=True))

    assert (answered.source, answered.namespace) == (None, None)
    assert market.run_sql("SELECT count(*) FROM run_requests WHERE source_id IS NULL") == 1


def test_who_listens_is_told_when_the_request_can_be_seen(
    api: ApiClient, database: URL, gecko: int
):
    with session_engine(database, application="test").connect() as connection:
        listening = connection.execution_options(isolation_level="AUTOCOMMIT")
        listening.execute(text(f"LISTEN {REQUESTS_CHANNEL}"))
        request_id = placed(ask(api)).request_id

        driver = listening.connection.dbapi_connection
        assert driver is not None
        assert select.select([driver], [], [], 30)[0]
        driver.poll()
        (seen,) = listening.execute(PENDING_REQUESTS).all()

    assert [notice.payload for notice in driver.notifies] == [str(request_id)]
    assert seen.request_id == str(request_id)


def test_the_trace_of_who_asks_is_kept(api: ApiClient, market: Market, gecko: int):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    api.request("POST", PATH, json={"source": "gecko"}, headers={"traceparent": parent})

    assert market.run_sql("SELECT traceparent FROM run_requests") == parent


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"source": "nobody"}, 404, "no source nobody"),
        ({"source": "gecko", "namespace": "other"}, 404, "no source other/gecko"),
        ({"source": "gone"}, 404, "gone was deleted"),
        ({"source": "asleep"}, 409, "asleep is suspended"),
        ({"source": "twin"}, 422, "several namespaces: one, two"),
    ],
)
def test_sources_that_cannot_run_are_refused_with_what_to_do(
    api: ApiClient, market: Market, gecko: int, body: dict[str, Any], status: int, words: str
):
    market.source("gone", retired_at=NOON)
    market.source("asleep", suspended=True)
    market.source("twin", namespace="one")
    market.source("twin", namespace="two")

    response = ask(api, **body)

    assert response.status_code == status
    assert words in problem(response).detail.replace("Gone", "gone").replace("Asleep", "asleep")
    assert market.run_sql("SELECT count(*) FROM run_requests") == 0


def test_a_namespace_tells_sources_of_one_name_apart(api: ApiClient, market: Market):
    market.source("twin", namespace="one")
    market.source("twin", namespace="two")

    assert placed(ask(api, source="twin", namespace="two")).namespace == "two"


def test_all_of_nothing_is_refused(api: ApiClient, market: Market):
    market.source("asleep", suspended=True)

    assert ask(api, all=True).status_code == 404


@pytest.mark.parametrize(
    ("sent", "parameter"),
    [
        ({"json": {}}, "body"),
        ({"content": b""}, "body"),
        ({"json": {"source": "gecko", "all": True}}, "body"),
        ({"json": {"all": True, "namespace": "crypto"}}, "body"),
        ({"json": {"source": "gecko", "when": "now"}}, "when"),
        ({"json": {"source": ["gecko"]}}, "source"),
        ({"json": {"source": "Gecko; DROP"}}, "source"),
        ({"json": {"source": "x" * 254}}, "source"),
        ({"json": {"all": "yes"}}, "all"),
        ({"json": [1]}, "body"),
        ({"content": b'{"source": "\\ud800"}'}, "body"),
        ({"content": b"\xff\xfe"}, "body"),
        ({"content": b"{" * 5000}, "body"),
        ({"json": {"source": "gecko"}, "headers": {"Idempotency-Key": "a b"}}, "Idempotency-Key"),
        ({"json": {"source": "gecko"}, "headers": {"Idempotency-Key": ""}}, "Idempotency-Key"),
        (
            {"json": {"source": "gecko"}, "headers": {"Idempotency-Key": "x" * 256}},
            "Idempotency-Key",
        ),
    ],
)
def test_what_is_not_a_request_is_422(
    api: ApiClient, gecko: int, sent: dict[str, Any], parameter: str
):
    response = api.request("POST", PATH, **sent)

    assert response.status_code == 422, response.text
    assert problem(response).errors[0].parameter == parameter


def test_a_body_that_is_not_json_is_415(api: ApiClient, gecko: int):
    assert api.request("POST", PATH, data={"source": "gecko"}).status_code == 415


def test_an_unknown_request_is_404_and_a_bad_id_422(api: ApiClient):
    assert api.get(f"{PATH}/{uuid.uuid4()}").status_code == 404
    assert api.get(f"{PATH}/latest").status_code == 422


def test_the_same_key_gets_the_same_answer_even_when_the_request_is_done(
    api: ApiClient, market: Market, engine: Engine, gecko: int
):
    first = ask(api, "key-1")
    answer(engine, placed(first).request_id, (gecko, "job"))
    market.run_sql("UPDATE sources SET suspended = true")

    again = ask(api, "key-1")

    assert again.status_code == first.status_code == 202
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert market.run_sql("SELECT count(*) FROM run_requests") == 1


def test_the_same_key_with_another_body_is_422_and_places_nothing(
    api: ApiClient, market: Market, gecko: int
):
    market.source("paprika")
    ask(api, "key-1")

    response = ask(api, "key-1", source="paprika")

    assert response.status_code == 422
    assert problem(response).type == "urn:cryptosource:problem:idempotency-key-reused"
    assert market.run_sql("SELECT count(*) FROM run_requests") == 1


def test_a_refused_request_leaves_its_key_free(api: ApiClient, market: Market):
    assert ask(api, "key-1").status_code == 404
    market.source("gecko")

    assert "idempotent-replayed" not in ask(api, "key-1").headers
    assert ask(api, "key-1").headers["idempotent-replayed"] == "true"


def test_a_key_is_forgotten_after_a_day(api: ApiClient, market: Market, engine: Engine, gecko: int):
    first = placed(ask(api, "key-1"))
    answer(engine, first.request_id, (gecko, "job"))
    for age, replayed in (("23 hours", True), ("25 hours", False)):
        market.run_sql(
            "UPDATE run_request_keys SET created_at = clock_timestamp() - CAST(:a AS interval)",
            a=age,
        )
        response = ask(api, "key-1")

        assert ("idempotent-replayed" in response.headers) is replayed
    assert placed(ask(api, "key-1")).request_id != first.request_id


def test_fifty_at_once_with_one_key_place_one_request(database: URL, market: Market, gecko: int):
    with api_client(database, pool_size=8, pool_wait_seconds=60.0) as api:

        async def all_at_once() -> list[httpx.Response]:
            body, headers = {"source": "gecko"}, {"Idempotency-Key": "key-1"}
            asking = (api._client.post(PATH, json=body, headers=headers) for _ in range(50))
            return await asyncio.gather(*asking)

        responses = api._runner.run(all_at_once())

    assert {response.status_code for response in responses} == {202}
    assert len({placed(response).request_id for response in responses}) == 1
    first = [each for each in responses if "idempotent-replayed" not in each.headers]
    assert len(first) == 1
    assert market.run_sql("SELECT count(*) FROM run_requests") == 1


def test_fifty_at_once_without_a_key_share_the_request_that_is_pending(
    database: URL, market: Market, gecko: int
):
    with api_client(database, pool_size=8, pool_wait_seconds=60.0) as api:

        async def all_at_once() -> list[httpx.Response]:
            asking = (api._client.post(PATH, json={"source": "gecko"}) for _ in range(50))
            return await asyncio.gather(*asking)

        answers = [placed(response) for response in api._runner.run(all_at_once())]

    assert len({each.request_id for each in answers}) == 1
    assert [each.coalesced for each in answers].count(False) == 1
    assert market.run_sql("SELECT count(*) FROM run_requests") == 1


def test_requests_for_two_sources_and_for_all_stand_beside_each_other(
    api: ApiClient, market: Market, gecko: int
):
    market.source("paprika")

    answers = [placed(ask(api, **body)) for body in ({}, {"source": "paprika"}, {"all": True})]

    assert [each.coalesced for each in answers] == [False, False, False]


def test_a_source_that_is_asked_for_all_the_time_is_429_with_when_to_come_back(
    api: ApiClient, market: Market, engine: Engine, gecko: int
):
    market.source("paprika")
    for n in range(6):
        answer(engine, placed(ask(api)).request_id, (gecko, f"job-{n}"))

    response = ask(api)

    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert "6 times a minute" in problem(response).detail
    assert ask(api, source="paprika").status_code == 202
    market.run_sql("UPDATE run_requests SET requested_at = requested_at - interval '61 seconds'")
    assert ask(api).status_code == 202


def test_what_nobody_takes_up_expires_and_is_offered_to_nobody(
    api: ApiClient, market: Market, engine: Engine, gecko: int
):
    first = placed(ask(api)).request_id
    assert (look(api, first).status, look(api, first).reason) == ("pending", None)
    market.run_sql("UPDATE run_requests SET expires_at = clock_timestamp() - interval '1 second'")

    expired = look(api, first)

    assert (expired.status, expired.reason, expired.answered_by) == ("expired", "NotTakenUp", None)
    with engine.connect() as connection:
        assert connection.execute(PENDING_REQUESTS).all() == []
    assert placed(ask(api)).request_id != first


def test_it_tells_who_took_it_up_and_how_its_run_went(
    api: ApiClient, market: Market, engine: Engine, gecko: int
):
    request_id = placed(ask(api)).request_id
    assert answer(engine, request_id, (gecko, "job-a"))
    assert not answer(engine, request_id, (gecko, "job-b"))  # whoever comes second changes nothing

    accepted = look(api, request_id)
    assert (accepted.status, accepted.answered_by) == ("accepted", "operator/here")
    assert accepted.answered_at is not None
    assert [(run.job_name, run.run_id) for run in accepted.runs] == [("job-a", None)]
    assert accepted.counts.waiting == 1

    market.run(gecko, "running", job_name="job-a", trigger="api")
    assert look(api, request_id).status == "running"

    market.run_sql("UPDATE etl_runs SET status = 'failure', finished_at = now(), reason = 'X'")
    failed = look(api, request_id)
    assert (failed.status, failed.runs[0].reason) == ("failed", "X")

    run = market.run(gecko, "success", job_name="job-a", attempt=2, reason="Completed")
    market.run(gecko, "skipped", job_name="job-a", attempt=3, reason="AlreadySucceeded")
    done = look(api, request_id)
    assert (done.status, done.source, done.namespace) == ("succeeded", "gecko", "crypto")
    (shown,) = done.runs
    assert (shown.run_id, shown.attempt, shown.source) == (run, 2, "gecko")


def test_a_request_for_all_counts_its_runs(
    api: ApiClient, market: Market, engine: Engine, gecko: int
):
    paprika, file = market.source("paprika"), market.source("file", "csv")
    request_id = placed(ask(api, all=True)).request_id
    answer(engine, request_id, (gecko, "a"), (paprika, "b"), (file, "c"))
    market.run(gecko, "success", job_name="a")
    market.run(paprika, "failure", job_name="b")

    under_way = look(api, request_id)
    market.run(file, "skipped", job_name="c")
    ended = look(api, request_id)

    assert (under_way.status, under_way.counts.waiting) == ("running", 1)
    assert ended.status == "failed"
    counts = ended.counts
    assert (counts.jobs, counts.success, counts.failure, counts.skipped) == (3, 1, 1, 1)


def test_a_refused_request_tells_why(api: ApiClient, engine: Engine, gecko: int):
    request_id = placed(ask(api)).request_id
    answer(engine, request_id, reason="Suspended")

    refused = look(api, request_id)

    assert (refused.status, refused.reason, refused.runs) == ("refused", "Suspended", [])


@pytest.fixture
def guarded(database: URL) -> Iterator[ApiClient]:
    with api_client(database, scheduler_token_digest=TOKEN_DIGEST) as client:
        yield client


TOKEN = "a-token-for-the-scheduler"
TOKEN_DIGEST = hashlib.sha256(TOKEN.encode()).digest()


def test_with_a_scheduler_token_only_who_sends_it_may_ask(
    guarded: ApiClient, market: Market, gecko: int
):
    def status(**headers: str) -> int:
        body = {"source": "gecko"}
        return guarded.request("POST", PATH, json=body, headers=headers).status_code

    assert status() == 401
    assert status(Authorization="Bearer wrong") == 401
    assert market.run_sql("SELECT count(*) FROM run_requests") == 0
    assert status(Authorization=f"Bearer {TOKEN}") == 202
    assert market.run_sql("SELECT requested_by FROM run_requests") == "scheduler"


def test_keys_of_two_callers_never_meet(
    api: ApiClient, guarded: ApiClient, market: Market, gecko: int
):
    market.source("paprika")
    ask(api, "key-1")

    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "key-1"}
    response = guarded.request("POST", PATH, json={"source": "paprika"}, headers=headers)

    assert response.status_code == 202
    assert "idempotent-replayed" not in response.headers


def test_the_index_and_the_description_list_it(api: ApiClient):
    assert PATH in {route["path"] for route in api.get("/").json()["data"]["routes"]}
    operation = api.get("/openapi.json").json()["paths"][PATH]["post"]
    assert {"202", "401", "404", "409", "415", "422", "429", "503"} <= set(operation["responses"])
