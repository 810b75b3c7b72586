"""Spans of SQL statements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from cryptosource_store.statements.batching import batch
from cryptosource_telemetry.sql_spans import summary, trace_statements
from support.spans import CaughtSpans


@pytest.fixture
def spans() -> CaughtSpans:
    return CaughtSpans()


@pytest.fixture
def engine(spans: CaughtSpans) -> Iterator[Engine]:
    """An engine that needs no server: the listeners are SQLAlchemy's, not Postgres'."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    trace_statements(engine, spans.provider)
    yield engine
    engine.dispose()


def test_a_statement_is_a_span_with_its_text_and_without_its_values(engine, spans):
    tracer = spans.provider.get_tracer("t")
    with tracer.start_as_current_span("request"), engine.connect() as connection:
        connection.execute(text("SELECT :secret"), {"secret": "canary"})

    statement, request = spans.all
    assert statement.name == "SELECT"
    assert statement.parent.span_id == request.context.span_id
    assert statement.attributes["db.query.text"] == "SELECT ?"
    assert "canary" not in statement.to_json()


def test_a_failure_says_its_class_and_not_its_words(engine, spans):
    with spans.provider.get_tracer("t").start_as_current_span("request") as request:
        with engine.connect() as connection, pytest.raises(OperationalError):
            connection.execute(text("SELECT canary FROM nowhere"))
        assert request.is_recording()

    statement = spans.all[0]
    assert statement.attributes["error.type"] == "OperationalError"
    assert statement.status.status_code is StatusCode.ERROR
    assert statement.status.description is None
    assert not statement.events


def test_what_belongs_to_no_trace_is_no_span(engine, spans):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))

    assert not spans.all


def test_what_is_not_sampled_is_no_span(engine, spans):
    unsampled = CaughtSpans()
    unsampled.provider.sampler = ALWAYS_OFF
    with unsampled.provider.get_tracer("t").start_as_current_span("request") as request:
        assert request.get_span_context().is_valid
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    assert not spans.all
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("\nINSERT INTO etl_runs AS r (a) SELECT b FROM c", "INSERT etl_runs"),
        ("UPDATE etl_checkpoints SET cursor = 1", "UPDATE etl_checkpoints"),
        ("-- by key\n SELECT a\n  FROM unified u", "SELECT unified"),
        ("COPY page_stage (a) FROM STDIN", "COPY page_stage"),
        ("WITH x AS (SELECT 1 FROM y) INSERT INTO z SELECT 1", "WITH y"),
        ("SELECT pg_notify(%(a)s, %(b)s)", "SELECT"),
        ("", "SQL"),
    ],
)
def test_a_statement_is_called_by_verb_and_table(statement: str, words: str):
    assert summary(statement) == words


def test_statements_that_are_sent_together_are_named_one_after_another():
    sent = batch(text("UPDATE a SET b = :c"), text("\nINSERT INTO d VALUES (:c)\n"))
    assert summary(str(sent)) == "UPDATE a; INSERT d"


def test_a_summary_is_no_longer_than_the_conventions_allow():
    assert len(summary(str(batch(*[text("UPDATE tickers SET x = 1")] * 50)))) == 255
