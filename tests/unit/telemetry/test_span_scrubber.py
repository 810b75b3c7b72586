"""What leaves the process in a span, whoever made it."""

from __future__ import annotations

from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from cryptosource_telemetry.redaction import REDACTED, Redactor
from cryptosource_telemetry.trace_context import parse_traceparent
from support.spans import CaughtSpans

CANARY = "canary-secret"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_queries_headers_parameters_and_the_words_of_errors_stay_behind():
    spans = CaughtSpans(redact=Redactor([CANARY]))
    tracer = spans.provider.get_tracer("t")
    given = {
        "http.url": f"https://api.test/data?api_key={CANARY}",
        "url.full": "https://api.test/data?secret=1",
        "http.target": "/data?secret=1",
        "url.query": "secret=1",
        "http.request.header.authorization": ["Bearer secret"],
        "db.query.parameter.name": "secret",
        "note": f"said {CANARY}",
        "several": ["a", CANARY],
        "http.response.status_code": 200,
    }

    with tracer.start_as_current_span("GET /data", attributes=given) as span:
        span.record_exception(ValueError("secret"))
        span.set_status(Status(StatusCode.ERROR, "ValueError: secret"))

    (sent,) = spans.all
    assert {**sent.attributes, "several": list(sent.attributes["several"])} == {
        "http.url": "https://api.test/data",
        "url.full": "https://api.test/data",
        "http.target": "/data",
        "note": f"said {REDACTED}",
        "several": ["a", REDACTED],
        "http.response.status_code": 200,
    }
    assert "secret" not in sent.to_json()
    assert sent.events[0].attributes["exception.type"] == "ValueError"
    assert sent.status.status_code is StatusCode.ERROR


def test_everything_else_of_a_span_is_kept():
    plain, scrubbing = CaughtSpans(), CaughtSpans(redact=Redactor([CANARY]))
    for caught in (plain, scrubbing):
        link = Link(parse_traceparent(TRACEPARENT))
        tracer = caught.provider.get_tracer("t", "1")
        span = tracer.start_span("x", kind=SpanKind.CLIENT, links=[link], start_time=1)
        span.add_event("e", {"a": 1}, timestamp=2)
        span.end(end_time=3)

    (one,), (other,) = plain.all, scrubbing.all
    for field in ("name", "kind", "start_time", "end_time", "parent", "instrumentation_scope"):
        assert getattr(one, field) == getattr(other, field), field
    assert [link.context for link in other.links] == [parse_traceparent(TRACEPARENT)]
    assert [(e.name, dict(e.attributes), e.timestamp) for e in other.events] == [("e", {"a": 1}, 2)]
