"""One trace from whoever started the run to its pages and its row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import URL

from cryptosource_etl.telemetry import configure_tracing, parent_context
from support.oracle import rows
from support.readers import ScriptedReader, coin
from support.runs import make_run

PARENT = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What the process's provider exports while the test runs."""
    configure_tracing({})
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield exporter
    processor.shutdown()


def test_a_run_and_each_of_its_pages_are_spans_of_the_trace_it_was_given(
    database: URL, spans: InMemorySpanExporter
):
    coins = [coin(f"c{number}") for number in range(5)]
    traceparent = {"TRACEPARENT": f"00-{PARENT}-b7ad6b7169203331-01"}

    reader = ScriptedReader(coins, batch_size=2)
    outcome = make_run(database, lambda: reader, parent=parent_context(traceparent)).execute()

    finished = [span for span in spans.get_finished_spans() if span.name.startswith("etl.")]
    assert [span.name for span in finished] == ["etl.page", "etl.page", "etl.page", "etl.run"]
    assert {f"{span.context.trace_id:032x}" for span in finished} == {PARENT}
    run = finished[-1]
    assert {span.parent.span_id for span in finished[:-1]} == {run.context.span_id}
    assert run.attributes["cryptosource.reason"] == "Completed"
    assert [span.attributes["cryptosource.loaded"] for span in finished[:-1]] == [2, 2, 1]
    assert outcome.trace_id == PARENT
    assert rows(database, "SELECT trace_id FROM etl_runs") == [(PARENT,)]
