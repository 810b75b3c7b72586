"""What is answered out of memory passes everything that any other answer passes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.sampling import ParentBased
from sqlalchemy import URL, Engine

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.sampler import ChosenTraceIds, RequestSampler
from support.api import ApiClient, Market, api_client
from support.api_keys import make_key
from support.spans import CaughtSpans

LONG = 60.0
"""Seconds for which the version of the data is believed here."""
OF_ONE_REQUEST = {"x-request-id", "ratelimit", "content-length"}


@pytest.fixture
def bitcoin(market: Market) -> None:
    market.coin("BTC", market.source("gecko"), price_usd=1)


@pytest.fixture
def remembering(database: URL, bitcoin: None) -> Iterator[ApiClient]:
    """A client of an application that has `/data` in memory."""
    with api_client(database, version_check_seconds=LONG) as api:
        assert api.get("/data").status_code == 200
        yield api


def test_it_has_the_headers_of_an_answer_by_the_route(database: URL, bitcoin: None, monkeypatch):
    with api_client(database, version_check_seconds=LONG) as api:
        by_route = api.get("/data").headers
        monkeypatch.setattr("cryptosource_api.app_state.answer", None)  # routes would fail
        out_of_memory = api.get("/data").headers

    assert set(by_route) == set(out_of_memory)
    for name in set(by_route) - OF_ONE_REQUEST:
        assert by_route[name] == out_of_memory[name]


def test_it_is_counted_and_refused_when_that_is_one_too_many(database: URL, bitcoin: None):
    with api_client(database, version_check_seconds=LONG, rate_per_address=3) as api:
        answers = [api.get("/data") for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["ratelimit"].split(";")[1] for each in answers] == [
        "r=2",
        "r=1",
        "r=0",
        "r=0",
    ]
    assert answers[3].json()["type"].endswith("rate-limited")


def test_nobody_gets_it_without_the_key_it_takes(database: URL, engine: Engine, bitcoin: None):
    key, trigger = make_key(engine, "read"), make_key(engine, "trigger")
    with api_client(database, version_check_seconds=LONG, auth="keys") as api:
        keyed = [api.get("/data", headers={"X-API-Key": key}) for _ in range(2)]
        assert [each.status_code for each in keyed] == [200, 200]
        assert '"key"' in keyed[1].headers["ratelimit"]
        assert api.get("/data").status_code == 401
        assert api.get("/data", headers={"X-API-Key": "wrong"}).status_code == 401
        assert api.get("/data", headers={"X-API-Key": trigger}).status_code == 403


def test_it_is_not_given_to_who_wants_another_form(remembering: ApiClient):
    as_csv = remembering.get("/data", headers={"Accept": "text/csv"})

    assert as_csv.headers["content-type"].startswith("text/csv")
    assert remembering.get("/data", headers={"Accept": "image/png"}).status_code == 406


def test_it_is_measured_and_logged_like_any_other(remembering: ApiClient, monkeypatch, caplog):
    monkeypatch.setattr("cryptosource_api.app_state.answer", None)
    with caplog.at_level(logging.INFO, logger="cryptosource.api.access"):
        answer = remembering.get("/data")
        held = remembering.get("/data", headers={"If-None-Match": answer.headers["etag"]})

    assert held.status_code == 304
    lines = [each for each in caplog.records if each.name == "cryptosource.api.access"]
    assert [(each.status, each.bytes, each.path) for each in lines] == [
        (200, len(answer.content), "/data"),
        (304, 0, "/data"),
    ]
    shown = remembering.get("/metrics").text
    assert 'api_requests_total{method="GET",route="/data",status="200"} 2.0' in shown
    assert 'api_requests_total{method="GET",route="/data",status="304"} 1.0' in shown
    assert 'api_latency_seconds_count{method="GET",route="/data"} 3.0' in shown


def test_a_request_with_a_body_is_read_to_its_end_first(remembering: ApiClient):
    too_much = b"x" * (ApiSettings().body_bytes + 1)

    assert remembering.request("GET", "/data", content=too_much).status_code == 413
    assert remembering.request("GET", "/data", content=b"{}").status_code == 200


def test_head_has_the_same_head(remembering: ApiClient):
    head, get = remembering.request("HEAD", "/data"), remembering.get("/data")

    assert head.status_code == 200
    assert head.content == b""
    assert {*head.headers} == {*get.headers}


def traced(database: URL, spans: CaughtSpans) -> ApiClient:
    settings = ApiSettings(version_check_seconds=LONG)
    app = create_app(settings, api_engine(database, settings), tracer_provider=spans.provider)
    return ApiClient(app)


def test_it_has_a_trace_and_is_sampled_less_often(database: URL, bitcoin: None):
    sampler = ParentBased(RequestSampler(1.0, cached=0.0))
    spans = CaughtSpans(sampler=sampler, ids=ChosenTraceIds())
    api = traced(database, spans)
    first = api.get("/data").headers["traceresponse"]
    before = len(spans.all)
    others = [api.get("/data").headers["traceresponse"] for _ in range(20)]
    after = len(spans.all)
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    of_caller = api.get("/data", headers={"traceparent": caller}).headers["traceresponse"]
    api.close()

    assert first.endswith("-01")
    assert before == after, "none of those is a span"
    assert {each[-3:] for each in others} == {"-00"}
    assert len({each.split("-")[1] for each in others}) == 20
    assert of_caller.startswith(caller[:35])
    assert of_caller.endswith("-01")
    assert spans.names[-1] == "GET /data", "the caller's decision is kept"


def test_its_trace_is_in_the_log(database: URL, bitcoin: None, caplog):
    spans = CaughtSpans(sampler=ParentBased(RequestSampler(0.0)), ids=ChosenTraceIds())
    api = traced(database, spans)
    api.get("/data")
    with caplog.at_level(logging.INFO, logger="cryptosource.api.access"):
        answer = api.get("/data")
    api.close()

    (line,) = [each for each in caplog.records if each.name == "cryptosource.api.access"]
    assert answer.headers["traceresponse"].split("-")[1] == line.trace_id
