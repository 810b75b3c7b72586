"""Sessions that cannot wait for ever, and partitions that come into being as they are needed."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import URL, Engine, text

from cryptosource_store.engine import loading_engine, pooled_engine, session_engine
from cryptosource_store.partitions import ensure_quote_partitions, ensure_raw_partitions
from cryptosource_store.settings import SessionTimeouts

TIMEOUTS = SessionTimeouts(
    statement_seconds=7,
    lock_seconds=3,
    idle_in_transaction_seconds=11,
    idle_session_seconds=13,
)
SHOWN = {
    "statement_timeout": "7s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "11s",
    "idle_session_timeout": "13s",
    "TimeZone": "UTC",
}


@pytest.mark.parametrize("kind", ["session", "pooled", "loading"])
def test_every_session_carries_its_timeouts(database: URL, kind: str):
    engines = {
        "session": lambda: session_engine(database, application="test", timeouts=TIMEOUTS),
        "pooled": lambda: pooled_engine(
            database, application="test", size=1, wait_seconds=1, timeouts=TIMEOUTS
        ),
        "loading": lambda: loading_engine(database, timeouts=TIMEOUTS),
    }
    engine = engines[kind]()

    with engine.connect() as connection:
        shown = {name: connection.scalar(text(f"SHOW {name}")) for name in SHOWN}
    engine.dispose()

    assert shown == SHOWN


def test_a_session_that_loads_frees_its_locks_when_it_falls_silent(database: URL):
    with loading_engine(database).connect() as connection:
        assert connection.scalar(text("SHOW idle_session_timeout")) == "1min"


def leaves(engine: Engine, parent: str) -> set[str]:
    with engine.connect() as connection:
        found = connection.scalars(
            text("SELECT relid::text FROM pg_partition_tree(:parent) WHERE isleaf AND level > 0"),
            {"parent": parent},
        )
        return set(found)


def test_months_are_made_once_and_hold_exactly_their_time_in_utc(engine: Engine):
    for made in (2, 0):
        with engine.begin() as connection:
            assert ensure_quote_partitions(connection, [(2013, 2), (2026, 12)]) == made

    assert leaves(engine, "quotes") == {"quotes_y2013m02", "quotes_y2026m12"}
    with engine.connect() as connection:
        bounds = connection.scalar(
            text(
                "SELECT pg_get_expr(relpartbound, oid) FROM pg_class "
                "WHERE relname = 'quotes_y2026m12'"
            )
        )
    assert bounds == "FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')"


def test_a_new_source_type_gets_its_own_branch_of_raw_records(engine: Engine):
    with engine.begin() as connection:
        ensure_raw_partitions(connection, "acme", [(2026, 11)])

    assert leaves(engine, "raw_records") == {"raw_acme_y2026m11"}


@pytest.mark.parametrize("kind", ["", "Acme", "a-b", "x; DROP TABLE quotes", "1a", "a" * 41])
def test_a_source_type_that_is_no_word_makes_no_table(engine: Engine, kind: str):
    with pytest.raises(Exception, match="is not a lower-case word"), engine.begin() as connection:
        ensure_raw_partitions(connection, kind, [(2026, 11)])


def test_partitions_can_be_made_by_a_role_that_may_not_change_the_schema(database: URL):
    owner = session_engine(database, application="test")
    role = f"loader_{database.database}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    try:
        with owner.connect() as connection:
            connection.execute(text(f"SET ROLE {role}"))
            ensure_quote_partitions(connection, [(2026, 1)])
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(text("CREATE TABLE mine ()"))
            connection.rollback()
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"DROP ROLE {role}"))


def test_the_same_month_asked_for_by_many_at_once_is_made_once(database: URL, engine: Engine):
    made: list[int] = []

    def ask() -> None:
        with session_engine(database, application="test").begin() as connection:
            made.append(ensure_quote_partitions(connection, [(2020, 5)]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [0, 0, 0, 0, 0, 1]
    assert leaves(engine, "quotes") == {"quotes_y2020m05"}


def test_reading_goes_on_while_a_month_is_made(database: URL):
    reader = session_engine(database, application="test").connect()
    reader.execute(text("SELECT count(*) FROM quotes"))  # holds ACCESS SHARE until it ends

    limits = SessionTimeouts(lock_seconds=1)
    with session_engine(database, application="test", timeouts=limits).begin() as connection:
        assert ensure_quote_partitions(connection, [(2021, 7)]) == 1

    reader.close()
