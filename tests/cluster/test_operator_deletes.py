"""A source that is deleted is retired in Postgres, whoever was away when it happened."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cryptosource_store.engine import session_engine
from support import postgres as postgres_support
from support.operator_process import operating
from support.waits import eventually

QUICK = {"CRYPTOSOURCE_RESYNC_SECONDS": "1"}


@pytest.fixture
def rows(database):
    """Return the sources as Postgres has them: uid and whether they are retired."""
    engine = session_engine(database, application="cryptosource-test")

    def read():
        with engine.connect() as connection:
            statement = "SELECT uid, retired_at IS NOT NULL FROM sources ORDER BY source_id"
            return [tuple(row) for row in connection.execute(text(statement))]

    yield read
    engine.dispose()


@pytest.fixture
def options(sources, database):
    return {"namespaces": [sources.namespace], "database": database, **QUICK}


def test_a_deleted_source_is_retired_and_goes_on_when_it_is_made_again(
    operator_kubeconfig, tmp_path, sources, rows, options
):
    with operating(operator_kubeconfig, tmp_path, **options):
        first = sources.create(runOnCreate=False)["metadata"]["uid"]
        eventually(lambda: rows() == [(first, False)])

        sources.delete()
        eventually(lambda: rows() == [(first, True)])

        second = sources.create(runOnCreate=False)["metadata"]["uid"]
        eventually(lambda: rows() == [(second, False)])


def test_a_source_that_was_deleted_while_the_operator_was_away_is_retired(
    operator_kubeconfig, tmp_path, sources, rows, options
):
    kept = sources.create("kept", runOnCreate=False)["metadata"]["uid"]
    gone = sources.create("gone", runOnCreate=False)["metadata"]["uid"]
    with operating(operator_kubeconfig, tmp_path, **options):
        eventually(lambda: sorted(rows()) == sorted([(kept, False), (gone, False)]))

    sources.delete("gone")

    with operating(operator_kubeconfig, tmp_path, **options):
        eventually(lambda: sorted(rows()) == sorted([(kept, False), (gone, True)]))


def test_a_source_that_was_deleted_while_postgres_was_away_is_retired(
    operator_kubeconfig, tmp_path, sources, rows, options, postgres, database
):
    with operating(operator_kubeconfig, tmp_path, **options):
        uid = sources.create(runOnCreate=False)["metadata"]["uid"]
        eventually(lambda: rows() == [(uid, False)])
        sources.create("witness", runOnCreate=False)
        eventually(lambda: len(rows()) == 2)

        away = f"{database.database}_away"
        postgres_support.rename(postgres, database.database, away)
        try:
            sources.edit("witness", suspend=True)
            eventually(lambda: sources.condition("DatabaseUnavailable", "witness")[0] == "True")
            sources.delete()
            eventually(lambda: sources.cronjob() is None)
        finally:
            postgres_support.rename(postgres, away, database.database)

        eventually(lambda: (uid, True) in rows(), seconds=60)
        assert [retired for _, retired in rows()].count(False) == 1


def test_sources_that_no_operator_of_this_cluster_has_registered_are_left_alone(
    operator_kubeconfig, tmp_path, sources, rows, options, database
):
    engine = session_engine(database, application="cryptosource-test")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sources (uid, namespace, name, source_type, cluster) VALUES "
                "('by-hand', :space, 'by-hand', 'csv', NULL), "
                "('elsewhere', :space, 'elsewhere', 'csv', 'another cluster')"
            ),
            {"space": sources.namespace},
        )
    engine.dispose()
    with operating(operator_kubeconfig, tmp_path, **options):
        uid = sources.create(runOnCreate=False)["metadata"]["uid"]
        eventually(lambda: (uid, False) in rows())
        sources.delete()
        eventually(lambda: (uid, True) in rows())

    assert ("by-hand", False) in rows()
    assert ("elsewhere", False) in rows()
