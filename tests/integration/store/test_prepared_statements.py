"""Prepared statements: planned once a session, and right also where sessions are mixed up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, text

from cryptosource_store import prepared_statements
from cryptosource_store.engine import reading_engine
from cryptosource_store.prepared_statements import execute_prepared

ASK = text("SELECT CAST(:word AS text) AS word, :size + 1 AS more, '12:30:00'::time AS t")


@pytest.fixture
def session(database: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(prepared_statements, "_POOLER", prepared_statements._Pooler())
    engine = reading_engine(database, application="test", size=1, wait_seconds=1)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def ask(session: Connection, word: str | None, size: int = 1) -> tuple[str | None, int]:
    row = execute_prepared(session, ASK, {"word": word, "size": size}, constants=["size"]).one()
    return row.word, row.more


def prepared(session: Connection) -> int:
    return int(session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) or 0)


def test_a_statement_is_planned_once_and_values_are_bound(session: Connection):
    assert [ask(session, word) for word in ("a", None, "'; --", "%s :x")] == [
        ("a", 2),
        (None, 2),
        ("'; --", 2),
        ("%s :x", 2),
    ]
    assert prepared(session) == 1


def test_a_number_that_plans_depend_on_makes_a_statement_of_its_own(session: Connection):
    assert [ask(session, "a", size)[1] for size in (1, 2, 2)] == [2, 3, 3]
    assert prepared(session) == 2


def test_a_session_keeps_a_bounded_number(session: Connection):
    for size in range(prepared_statements.MAX_PREPARED + 5):
        ask(session, "a", size)

    assert prepared(session) == 5


def test_behind_a_pooler_that_mixes_sessions_it_answers_and_stops_preparing(session: Connection):
    ask(session, "a")
    session.exec_driver_sql("DEALLOCATE ALL")  # as if another session had got the statement

    assert ask(session, "b") == ("b", 2)
    assert ask(session, "c") == ("c", 2)
    assert prepared(session) == 0


def test_a_statement_that_another_client_of_the_session_prepared_is_used(session: Connection):
    ask(session, "a")
    session.info.clear()

    assert ask(session, "b") == ("b", 2)
    assert prepared(session) == 1


def test_a_schema_that_changed_meanwhile_does_not_matter(session: Connection):
    session.exec_driver_sql("CREATE TABLE things (n int)")
    session.exec_driver_sql("INSERT INTO things VALUES (7)")
    everything = text("SELECT * FROM things WHERE n = :n")
    assert execute_prepared(session, everything, {"n": 7}).one() == (7,)
    session.exec_driver_sql("ALTER TABLE things ADD m int")

    assert execute_prepared(session, everything, {"n": 7}).one() == (7, None)
    assert execute_prepared(session, everything, {"n": 7}).one() == (7, None)


def test_reading_sessions_are_in_autocommit_without_asking(session: Connection):
    assert session.connection.dbapi_connection.autocommit
