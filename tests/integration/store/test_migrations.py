"""Migrations make the declared schema, go back without a trace, and never run twice at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DataError

from cryptosource_store import partitions, run_totals, superseded_quotes
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import (
    UnknownRevision,
    current_revision,
    head_revision,
    migrate,
    serves,
)
from cryptosource_store.tables import metadata
from support.revisions import next_version, set_revision

BEFORE_THE_FIRST_RELEASE = ("0001", "0010", "0000_earlier", "0001_of_another_line", "no number")
"""Revisions that no released version makes. The first ones are of this project's own past."""

CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND NOT a.attisdropped""",
    "relations": """
        SELECT relname, relkind, relpersistence, reloptions, pg_get_partkeydef(oid),
               obj_description(oid)
          FROM pg_class WHERE relnamespace = 'public'::regnamespace""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid)
          FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
          FROM pg_trigger WHERE NOT tgisinternal""",
    "sequences": """
        SELECT sequencename, cache_size, increment_by, data_type::text
          FROM pg_sequences WHERE schemaname = 'public'""",
}


def catalog(connection: Connection) -> dict[str, set[str]]:
    """Return everything the database knows of our schema, in a form that can be compared."""
    return {
        subject: {
            str(tuple(row))
            for row in connection.execute(text(query))
            if "alembic_version" not in str(row)
        }
        for subject, query in CATALOG.items()
    }


def catalog_of(url: URL) -> dict[str, set[str]]:
    with session_engine(url, application="test").connect() as connection:
        return catalog(connection)


def revision_of(url: URL) -> str | None:
    with session_engine(url, application="test").connect() as connection:
        return current_revision(connection)


def test_migrations_make_exactly_the_declared_schema(database: URL, empty_database: URL) -> None:
    # Importing the modules adds their functions to the metadata.
    assert partitions.DROP_FUNCTIONS
    assert superseded_quotes.TRIGGER
    assert run_totals.TRIGGERS
    with session_engine(empty_database, application="test").begin() as connection:
        metadata.create_all(connection)

    migrated, declared = catalog_of(database), catalog_of(empty_database)

    for subject in CATALOG:
        assert migrated[subject] == declared[subject], subject
        assert migrated[subject], f"the catalog query for {subject} finds nothing"


def test_going_down_leaves_nothing_and_up_again_makes_the_same(empty_database: URL) -> None:
    migrate(empty_database)
    first = catalog_of(empty_database)

    migrate(empty_database, "base")
    bare = catalog_of(empty_database)
    migrate(empty_database)

    assert all(not objects for objects in bare.values())
    assert catalog_of(empty_database) == first


def test_migrate_reports_the_revision_before_and_after(empty_database: URL) -> None:
    assert migrate(empty_database) == (None, head_revision())
    assert migrate(empty_database) == (head_revision(), head_revision())


def test_eight_processes_that_migrate_at_once_all_succeed(empty_database: URL) -> None:
    outcomes: list[object] = []

    def run() -> None:
        try:
            outcomes.append(migrate(empty_database)[1])
        except Exception as error:  # noqa: BLE001 - the assertion below shows it
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [head_revision()] * 8


def test_a_migration_gives_up_on_a_lock_and_changes_nothing(database: URL) -> None:
    holder = session_engine(database, application="holder").connect()
    holder.execute(text("LOCK TABLE quotes_latest IN ACCESS SHARE MODE"))

    with pytest.raises(Exception, match="lock timeout"):
        migrate(database, "base")

    holder.rollback()
    assert current_revision(holder) == head_revision()
    holder.close()


def test_the_next_version_migrates_forwards_and_back(empty_database: URL, tmp_path: Path) -> None:
    migrate(empty_database)
    this, ours = head_revision(), catalog_of(empty_database)

    with next_version(tmp_path / "alembic") as new:
        assert not serves(this)
        assert migrate(empty_database) == (this, new)
        assert catalog_of(empty_database) != ours
        assert migrate(empty_database, this) == (new, this)

    assert catalog_of(empty_database) == ours


def test_a_migration_that_fails_changes_nothing(empty_database: URL, tmp_path: Path) -> None:
    migrate(empty_database)
    before = catalog_of(empty_database)

    with (
        next_version(tmp_path / "alembic", then="SELECT 1 / 0"),
        pytest.raises(DataError, match="division by zero"),
    ):
        migrate(empty_database)

    assert catalog_of(empty_database) == before
    assert revision_of(empty_database) == head_revision()


def test_a_newer_schema_is_left_as_it_is_and_taken_back_by_its_own_version_alone(
    empty_database: URL, tmp_path: Path
) -> None:
    with next_version(tmp_path / "alembic") as new:
        migrate(empty_database)

    assert serves(new)
    assert migrate(empty_database) == (new, new)
    for revision in (head_revision(), "base"):
        with pytest.raises(UnknownRevision, match=f"at schema {new} of a newer version"):
            migrate(empty_database, revision)
    assert revision_of(empty_database) == new


@pytest.mark.parametrize("revision", BEFORE_THE_FIRST_RELEASE)
def test_a_schema_from_before_the_first_release_is_refused_with_what_to_do(
    database: URL, revision: str
) -> None:
    set_revision(database, revision)
    before = catalog_of(database)

    assert not serves(revision)
    for target in ("head", "base", head_revision()):
        with pytest.raises(UnknownRevision, match=f"at schema {revision}.* use an empty database"):
            migrate(database, target)

    assert (revision_of(database), catalog_of(database)) == (revision, before)


@pytest.mark.parametrize("revision", ["0005", "-1", "+1", "0001", "0002_none", "heads", ""])
def test_a_revision_that_is_not_there_is_refused_with_those_that_are(
    database: URL, revision: str
) -> None:
    with pytest.raises(UnknownRevision, match=f"this version knows {head_revision()}"):
        migrate(database, revision)

    assert revision_of(database) == head_revision()
