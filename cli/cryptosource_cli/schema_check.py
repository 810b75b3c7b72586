"""Checking and migrating the database's schema, with errors that a person can act on."""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import (
    UnknownRevision,
    check_origin,
    current_revision,
    head_revision,
    migrate,
    serves,
)


def require_schema(url: URL, *, embedded: bool) -> None:
    """Check that the schema is the one this version needs; an embedded database is migrated.

    Raises:
        CommandError: the schema of a configured database is another one.
    """
    with session_engine(url, application="cryptosource").connect() as connection:
        current = current_revision(connection)
    if serves(current):
        return
    # Only our own database is migrated unasked: any other is its owner's decision, and needs a
    # role with the right to do it.
    if embedded:
        migrate_schema(url)
        return
    try:
        check_origin(current)
    except UnknownRevision as error:
        raise CommandError(str(error)) from error
    raise CommandError(
        f"the database is at schema {current or 'none'}, this version needs {head_revision()}; "
        "run: cryptosource migrate",
        exit_code=UNAVAILABLE_EXIT_CODE,
    )


def migrate_schema(url: URL, revision: str = "head") -> tuple[str | None, str | None]:
    """Call `cryptosource_store.schema_migration.migrate` and return its result.

    Raises:
        CommandError: no migration leads to the revision, or a lock was not acquired in time.
    """
    try:
        return migrate(url, revision)
    except UnknownRevision as error:
        raise CommandError(str(error)) from error
    except DBAPIError as error:
        first_line = str(error.orig).strip().partition("\n")[0]
        raise CommandError(
            f"the migration gave up and changed nothing: {first_line}; try again",
            exit_code=UNAVAILABLE_EXIT_CODE,
        ) from error
