"""Conditional requests, streams, and what a call leaves behind: counts, spans and log lines."""

from __future__ import annotations

import gzip
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cryptosource_etl.clock import Stopped
from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.http import Usage, Validators
from cryptosource_etl.http import client_spans as tracing_module
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer, hang_up, truncated

DATED = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing_module.trace, "get_tracer", provider.get_tracer)
    return exporter.get_finished_spans


def test_a_get_asks_for_gzip_alone_and_says_who_it_is(make_client):
    with Wire(answer(200, gzip.compress(b"[1]"), content_encoding="gzip")) as wire:
        response = make_client().get(wire.url("/v1"), params={"page": 2, "ids": "a,b"})

        assert wire.received[0].target == "/v1?page=2&ids=a%2Cb"
        assert wire.received[0].headers["accept-encoding"] == "gzip"
        assert wire.received[0].headers["user-agent"] == "CryptoSource/test"
    assert response.body == b"[1]"
    assert (response.status, response.attempts, response.waited_seconds) == (200, 1, 0.0)


def test_validators_of_an_answer_make_the_next_request_conditional(make_client):
    first = answer(200, b"x", etag='W/"1"', last_modified=DATED)
    with Wire(first, answer(304)) as wire:
        client = make_client()
        validators = client.get(wire.url()).validators
        again = client.get(wire.url(), validators=validators)

        assert wire.received[1].headers["if-none-match"] == 'W/"1"'
        assert wire.received[1].headers["if-modified-since"] == DATED
    assert (again.status, again.body) == (304, b"")
    assert again.validators == validators


def test_a_304_may_bring_newer_validators(make_client):
    with Wire(answer(304, etag='"2"')) as wire:
        response = make_client().get(wire.url(), validators=Validators(etag='"1"'))

    assert response.validators == Validators(etag='"2"')


@given(st.one_of(st.none(), st.integers(), st.text(), st.dictionaries(st.text(), st.text())))
def test_whatever_a_checkpoint_holds_can_be_read(value):
    found = Validators.from_json(value)

    assert found is None or found == Validators.from_json(found.as_json())


@pytest.mark.parametrize("etag", ["", "a\r\nb: c", "é", "x" * 1025, None])
def test_a_validator_that_could_not_be_sent_back_is_dropped(etag):
    assert Validators.from_json({"etag": etag}) is None


def test_a_stream_yields_the_body_as_it_comes_with_validators_and_headers(make_client):
    rows = b"symbol,price\n" * 50_000
    packed = gzip.compress(rows)
    served = answer(200, packed, content_encoding="gzip", etag='"7"', content_type="text/csv")
    with Wire(answer(503), served) as wire, make_client().stream(wire.url()) as response:
        assert response.status == 200
        assert response.validators == Validators(etag='"7"')
        assert response.headers["content-type"] == "text/csv"
        assert response.attempts == 2
        assert b"".join(response.chunks) == rows


def test_a_stream_that_breaks_off_is_not_asked_for_again(make_client):
    with Wire(truncated(bytes(1000), sent=500)) as wire:
        with (
            make_client().stream(wire.url()) as response,
            pytest.raises(Retryable) as failure,
        ):
            list(response.chunks)

        assert len(wire.received) == 1
    assert failure.value.reason is Reason.MALFORMED_RESPONSE


def test_a_stream_may_be_left_early_and_the_client_goes_on(make_client):
    client = make_client(limits={"max_connections": 1})
    with Wire(answer(200, bytes(3_000_000)), answer(200, b"next")) as wire:
        with client.stream(wire.url()) as response:
            next(response.chunks)

        assert client.get(wire.url()).body == b"next"


def test_a_stream_has_caps_when_they_are_asked_for(make_client):
    client = make_client(limits={"max_stream_decoded_bytes": 100_000})
    with (
        Wire(answer(200, bytes(100_001))) as wire,
        client.stream(wire.url()) as response,
        pytest.raises(Retryable) as failure,
    ):
        list(response.chunks)

    assert failure.value.reason is Reason.BODY_TOO_LARGE


def test_a_stream_not_modified_has_no_chunks(make_client):
    with (
        Wire(answer(304)) as wire,
        make_client().stream(wire.url(), validators=Validators(etag='"1"')) as response,
    ):
        assert response.status == 304
        assert list(response.chunks) == []


def test_a_part_is_taken_where_a_range_was_asked_for(make_client):
    with (
        Wire(answer(206, b"tail")) as wire,
        make_client().stream(wire.url(), headers={"Range": "bytes=4-"}) as response,
    ):
        assert (response.status, b"".join(response.chunks)) == (206, b"tail")


def test_a_stream_refused_by_its_upstream_raises_before_the_block_is_entered(make_client):
    with Wire(answer(404)) as wire, pytest.raises(Permanent), make_client().stream(wire.url()):
        pytest.fail("entered")


def test_stop_ends_a_wait_and_the_call(make_client, clock):
    def stop(_seconds):
        raise Stopped

    clock.sleep = stop
    with Wire(answer(503)) as wire:
        with pytest.raises(Stopped):
            make_client().get(wire.url())

        assert len(wire.received) == 1


def test_an_open_breaker_sends_nothing(make_client):
    client = make_client(retry={"max_attempts": 1})
    with Wire(answer(500)) as wire:
        for _ in range(5):
            with pytest.raises(Retryable):
                client.get(wire.url())

        assert len(wire.received) == 3


def test_usage_counts_requests_retries_waits_and_bytes_as_sent(make_client):
    packed = gzip.compress(bytes(5000))
    client = make_client()
    with Wire(
        answer(429, b"12345", retry_after="4"), answer(200, packed, content_encoding="gzip")
    ) as wire:
        client.get(wire.url())

    assert client.usage == Usage(
        requests=2, retries=1, waits=1, waited_seconds=4.0, body_bytes=5 + len(packed)
    )


def test_each_request_is_a_span_without_its_query(make_client, spans):
    with Wire(answer(500), answer(200, b"x")) as wire:
        make_client().get(wire.url("/v1/coins"), params={"ids": "bitcoin"})
    first, second = spans()

    assert (first.name, first.kind.name) == ("GET", "CLIENT")
    assert first.attributes["http.response.status_code"] == 500
    assert first.attributes["error.type"] == "500"
    assert "http.request.resend_count" not in first.attributes
    assert dict(second.attributes) == {
        "http.request.method": "GET",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": wire.port,
        "url.path": "/v1/coins",
        "url.scheme": "http",
    }


def test_a_request_without_an_answer_is_a_failed_span(make_client, spans):
    with Wire(hang_up) as wire, pytest.raises(Retryable):
        make_client(retry={"max_attempts": 1}).get(wire.url())

    assert [span.attributes["error.type"] for span in spans()] == ["UpstreamUnreachable"]


def test_no_trace_context_is_sent_to_strangers(make_client, spans):
    with Wire(answer(200, b"x")) as wire:
        make_client().get(wire.url())

        assert "traceparent" not in wire.received[0].headers


def test_every_retry_is_logged_with_its_fields(make_client, caplog):
    caplog.set_level(logging.INFO)
    with Wire(answer(429, retry_after="2"), answer(200, b"x")) as wire:
        make_client().get(wire.url())
    (record,) = [record for record in caplog.records if record.name.startswith("cryptosource")]

    assert (record.reason, record.host) == ("RateLimited", f"127.0.0.1:{wire.port}")
    assert (record.attempt, record.status, record.wait_seconds) == (1, 429, 2.0)
