"""Rows of `sources`: who gets a new one, who goes on with an old one, who is retired."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from cryptosource_store.source_registration import register_source, register_unseen
from cryptosource_store.statements import source_registration as sql

GIVEN = {
    "uid": "u-1",
    "namespace": "crypto",
    "name": "gecko",
    "source_type": "coingecko",
    "schedule": "* * * * *",
    "time_zone": "Etc/UTC",
    "suspended": False,
    "max_age_seconds": 900,
}
HERE = {"cluster": "here", "uids": [], "namespaces": []}


@pytest.fixture
def connection(engine: Engine):
    with engine.begin() as connection:
        yield connection


def states(connection):
    query = "SELECT uid, source_type, retired_at IS NOT NULL FROM sources ORDER BY source_id"
    return [tuple(row) for row in connection.execute(text(query))]


def retire(connection, uid):
    return connection.scalar(sql.RETIRE_SOURCE, {"uid": uid})


def unlisted(connection, **over):
    found = connection.execute(sql.UNLISTED_SOURCES, HERE | over)
    return [row.uid for row in found]


def test_a_retired_source_goes_on_with_its_row_when_its_resource_is_back(connection):
    first = register_source(connection, GIVEN)
    assert retire(connection, "u-1") == first
    assert retire(connection, "u-1") is None

    assert register_source(connection, GIVEN | {"uid": "u-2"}) == first
    assert states(connection) == [("u-2", "coingecko", False)]


def test_there_and_back_to_another_type_are_two_sources(connection):
    first = register_source(connection, GIVEN)
    other = register_source(connection, GIVEN | {"source_type": "csv"})
    assert other != first

    assert register_source(connection, GIVEN) == first
    assert states(connection) == [("u-1", "coingecko", False), (f"u-1@{other}", "csv", True)]


def test_a_uid_of_a_retired_source_of_another_type_can_be_used_again(connection):
    first = register_source(connection, GIVEN)
    retire(connection, "u-1")

    register_source(connection, GIVEN | {"source_type": "csv"})

    assert states(connection) == [(f"u-1@{first}", "coingecko", True), ("u-1", "csv", False)]


def test_only_sources_of_the_cluster_that_are_neither_known_nor_retired_are_unlisted(connection):
    for name in ("known", "gone", "retired"):
        register_source(connection, GIVEN | {"uid": name, "name": name, "cluster": "here"})
    register_source(connection, GIVEN | {"uid": "there", "name": "there", "cluster": "there"})
    register_source(connection, GIVEN | {"uid": "by-hand", "name": "by-hand"})
    retire(connection, "retired")

    assert unlisted(connection, uids=["known"]) == ["gone"]
    assert unlisted(connection, uids=["known"], namespaces=["crypto", "x"]) == ["gone"]
    assert unlisted(connection, uids=["known"], namespaces=["x"]) == []


def test_a_run_leaves_a_source_in_its_cluster_and_a_manifest_by_hand_takes_it_out(connection):
    register_source(connection, GIVEN | {"cluster": "here"})

    register_source(connection, GIVEN)
    assert unlisted(connection) == ["u-1"]

    register_source(connection, GIVEN | {"uid": "by-hand"})
    assert unlisted(connection) == []


def test_sources_that_nobody_has_seen_are_made_in_one_statement(connection):
    rows = [GIVEN | {"uid": uid, "name": uid, "cluster": "here"} for uid in ("b", "a")]

    assert register_unseen(connection, rows) == {"a", "b"}
    assert register_unseen(connection, rows) == set()
    assert [uid for uid, _, _ in states(connection)] == ["a", "b"]
    assert register_source(connection, rows[1]) == 1


@pytest.mark.parametrize(
    "again",
    [
        {"suspended": True},
        {"uid": "u-2"},
        {"uid": "u-2", "source_type": "csv"},
        {"name": "renamed"},
    ],
)
@pytest.mark.parametrize("retired", [False, True])
def test_a_source_that_was_ever_seen_is_left_to_the_way_of_one_at_a_time(
    connection, again, retired
):
    register_source(connection, GIVEN)
    if retired:
        retire(connection, "u-1")
    before = states(connection)

    assert register_unseen(connection, [GIVEN | {"cluster": None} | again]) == set()
    assert states(connection) == before
