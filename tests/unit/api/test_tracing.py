"""Spans of requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import opentelemetry.instrumentation.asgi as opentelemetry_asgi
import pytest
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler
from sqlalchemy import create_engine

from cryptosource_api.app import create_app
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import request_provider, traceparent_of
from cryptosource_api.tracing.sampler import CACHED_ANSWER, ChosenTraceIds, RequestSampler
from cryptosource_telemetry.redaction import Redactor
from support.api import ApiClient
from support.spans import CaughtSpans

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> CaughtSpans:
    return CaughtSpans(redact=Redactor())


def client_of(spans: CaughtSpans) -> ApiClient:
    """Return a client of an application without a database."""
    engine = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    return ApiClient(create_app(ApiSettings(), engine, tracer_provider=spans.provider))


@pytest.fixture
def client(spans: CaughtSpans) -> Iterator[ApiClient]:
    """A client of an application without a database."""
    with closing(client_of(spans)) as client:
        yield client


def sampled_first(sampler: Sampler) -> CaughtSpans:
    """Return spans of a provider as `request_provider` makes it."""
    return CaughtSpans(redact=Redactor(), sampler=ParentBased(sampler), ids=ChosenTraceIds())


def test_a_request_is_one_span_and_a_probe_or_a_scrape_is_none(client, spans):
    assert client.get("/health/live").status_code == 200
    assert client.get("/metrics").status_code == 200
    assert client.get("/").status_code == 200
    assert client.get("/data").status_code == 503

    assert spans.names == ["GET /", "GET /data"]


def test_an_answer_tells_its_trace(client, spans):
    response = client.get("/", headers={"traceparent": GIVEN})

    (span,) = spans.all
    own = f"00-{GIVEN[3:35]}-{span.context.span_id:016x}-01"
    assert response.headers["traceresponse"] == own
    assert span.parent.span_id == int(GIVEN[36:52], 16)


def test_what_was_asked_is_not_in_the_span(client, spans):
    client.get("/data?ticker=canary&api_key=canary", headers={"X-API-Key": "canary"})

    assert "canary" not in spans.all[0].to_json()


def test_a_tenth_of_the_reads_is_sampled_and_every_trigger():
    sampler = RequestSampler(0.1)
    ids = [number * 2**64 // 1000 for number in range(1000)]

    def sampled(name: str) -> int:
        return sum(
            sampler.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE
            for trace_id in ids
        )

    assert 90 <= sampled("GET /data") <= 110
    assert sampled("POST /trigger-etl") == 1000


def test_what_is_kept_is_decided_the_same_in_short_and_at_length():
    sampler = RequestSampler(0.1, cached=0.01)
    ids = [number * 2**64 // 1000 + (number << 64) for number in range(1000)]
    at_length = [
        sampler.should_sample(None, each, "GET ", attributes=CACHED_ANSWER) for each in ids
    ]

    taken = [each.decision is Decision.RECORD_AND_SAMPLE for each in at_length]
    assert taken == [sampler.samples_cached(each) for each in ids]
    assert 5 <= sum(taken) <= 15


def test_what_is_decided_before_the_span_is_what_the_span_says():
    spans = sampled_first(RequestSampler(0.5))
    with closing(client_of(spans)) as client:
        answers = [client.get("/").headers["traceresponse"] for _ in range(60)]

    told = {answer.split("-")[1] for answer in answers if answer.endswith("-01")}
    assert told == {f"{span.context.trace_id:032x}" for span in spans.all}
    assert 0 < len(told) < len(answers) == len(set(answers))
    assert spans.names == ["GET /"] * len(told)


def test_a_request_that_is_not_sampled_never_reaches_what_would_describe_its_span(monkeypatch):
    def described(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(opentelemetry_asgi, "collect_request_attributes", described)
    spans = sampled_first(RequestSampler(0.0))
    with closing(client_of(spans)) as client:
        response = client.get("/")

    assert response.status_code == 200
    assert response.headers["traceresponse"].endswith("-00")
    assert spans.names == []


@pytest.mark.parametrize(("flag", "names"), [("01", ["GET /"]), ("00", [])])
def test_the_decision_of_the_caller_is_kept(flag: str, names: list[str]):
    spans = sampled_first(RequestSampler(0.5))
    with closing(client_of(spans)) as client:
        answer = client.get("/", headers={"traceparent": GIVEN[:-2] + flag})

    assert spans.names == names
    assert answer.headers["traceresponse"].startswith(GIVEN[:35])
    assert answer.headers["traceresponse"].endswith(flag)


def test_every_trigger_is_sampled_and_no_probe_has_a_trace():
    spans = sampled_first(RequestSampler(0.0))
    with closing(client_of(spans)) as client:
        client.request("POST", "/trigger-etl")
        probe = client.get("/health/live")

    assert spans.names == ["POST /trigger-etl"]
    assert "traceresponse" not in probe.headers


def test_nobody_receives_spans_unless_told_where():
    assert request_provider({}) is None
    assert request_provider({"OTEL_TRACES_EXPORTER": "otlp"}) is None
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}
    assert request_provider(nowhere) is None
    assert request_provider(nowhere | {"OTEL_SDK_DISABLED": "true"}) is None


@pytest.mark.parametrize("sent", ["", "nonsense", GIVEN + "x", "\xff"])
def test_without_tracing_a_broken_trace_is_not_handed_on(sent: str):
    headers = [(b"traceparent", sent.encode("latin-1"))]

    assert traceparent_of({"headers": headers}) == ""


def test_without_tracing_the_trace_of_the_caller_is_handed_on():
    assert traceparent_of({"headers": [(b"traceparent", GIVEN.encode())]}) == GIVEN
    assert traceparent_of({"headers": []}) == ""
