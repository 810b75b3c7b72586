"""Is the database at the schema this version needs?"""

from __future__ import annotations

from sqlalchemy import URL

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import current_revision, head_revision, migrate, serves


def require_schema(url: URL, *, embedded: bool) -> None:
    """Check the schema; our own embedded database is brought up to date at once.

    Raises:
        CommandError: a given database is not at the schema this version needs. Migrating it is
            a decision of its owner, and of a role that may.
    """
    with session_engine(url, application="cryptosource").connect() as connection:
        current = current_revision(connection)
    if serves(current):
        return
    if embedded:
        migrate(url)
        return
    raise CommandError(
        f"the database is at schema {current or 'none'}, this version needs {head_revision()}; "
        "run: cryptosource migrate",
        exit_code=UNAVAILABLE_EXIT_CODE,
    )
