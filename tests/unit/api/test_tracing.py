from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import create_engine

from cryptosource_api.app import create_app
from cryptosource_api.settings import ApiSettings
from support.api import ApiClient


def test_a_request_is_one_span_and_a_probe_is_none():
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    engine = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    client = ApiClient(create_app(ApiSettings(), engine, tracer_provider=provider))

    assert client.get("/health/live").status_code == 200
    assert client.get("/").status_code == 200
    assert client.get("/data").status_code == 503
    client.close()

    assert [span.name for span in spans.get_finished_spans()] == ["GET /", "GET /data"]
