"""One trace from whoever started the run to its pages and its row."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.pipeline.copy_text import copy_into
from cryptosource_etl.run_spans import configure_tracing, parent_context, planning_links
from cryptosource_store.engine import session_engine
from cryptosource_telemetry.sql_spans import trace_statements
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


def test_a_scheduled_run_begins_a_trace_and_points_at_who_planned_it(
    database: URL, spans: InMemorySpanExporter
):
    planned_by = {"CRYPTOSOURCE_PLANNED_BY": f"00-{PARENT}-b7ad6b7169203331-01"}

    run = make_run(
        database,
        lambda: ScriptedReader([coin("a")]),
        parent=parent_context({"TRACEPARENT": ""}),
        links=planning_links(planned_by),
    )
    outcome = run.execute()

    finished = next(span for span in spans.get_finished_spans() if span.name == "etl.run")
    assert finished.parent is None
    assert outcome.trace_id != PARENT
    assert [f"{link.context.trace_id:032x}" for link in finished.links] == [PARENT]


def test_a_copy_is_a_span_and_so_is_each_statement_beside_it(
    database: URL, spans: InMemorySpanExporter
):
    engine = session_engine(database, application="test")
    trace_statements(engine)
    copy = "COPY numbers (n) FROM STDIN"

    tracer = trace.get_tracer("t")
    with tracer.start_as_current_span("page") as page, engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE numbers (n integer)"))
        copy_into(connection, copy, b"1\n2\n")
        with pytest.raises(DBAPIError) as raised:
            copy_into(connection, copy, b"canary\n")

    assert isinstance(raised.value.orig, psycopg2.Error)
    create, good, bad = (span for span in spans.get_finished_spans() if span.name != "page")
    assert [create.name, good.name, bad.name] == ["CREATE", "COPY numbers", "COPY numbers"]
    assert {span.parent.span_id for span in (create, good, bad)} == {
        page.get_span_context().span_id
    }
    assert bad.attributes["db.response.status_code"] == "22P02"
    assert "canary" not in bad.to_json()
