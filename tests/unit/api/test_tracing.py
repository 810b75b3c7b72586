"""Spans of requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.sampling import Decision
from sqlalchemy import create_engine

from cryptosource_api.app import create_app
from cryptosource_api.settings import ApiSettings
from cryptosource_api.telemetry import RequestSampler, request_provider, traceparent_of
from cryptosource_telemetry.secrets import Redactor
from support.api import ApiClient
from support.spans import CaughtSpans

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> CaughtSpans:
    return CaughtSpans(redact=Redactor())


@pytest.fixture
def client(spans: CaughtSpans) -> Iterator[ApiClient]:
    """A client of an application without a database."""
    engine = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    client = ApiClient(create_app(ApiSettings(), engine, tracer_provider=spans.provider))
    yield client
    client.close()


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
