"""Bring a database to the schema this version needs, safely while others use it.

An advisory lock lets one process migrate and makes the others wait; lock and statement timeouts
let a migration give up instead of queueing everybody behind it (docs/faults.md, F11 and F15).
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text

from cryptosource_store.engine import session_engine
from cryptosource_store.settings import SessionTimeouts

MIGRATION_LOCK = 727_000
MIGRATION_TIMEOUTS = SessionTimeouts(statement_seconds=600, lock_seconds=5)
"""A lock that is not had within seconds is given up: those who hold it must not wait for us."""

WAIT_SECONDS = 600
"""How long to wait for another process that migrates."""


def alembic_config() -> Config:
    """Return Alembic's configuration; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "os")
    return config


def head_revision() -> str:
    """Return the revision this version of the code needs."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if head is None:
        raise AssertionError("the package was built without its migrations")
    return head


def current_revision(connection: Connection) -> str | None:
    """Return the database's revision; None when nothing was migrated yet."""
    return MigrationContext.configure(connection).get_current_revision()


def serves(revision: str | None) -> bool:
    """Return whether this version of the code works on a database at `revision`.

    It does on its own revision, and on one it has never heard of: that database was migrated by a
    newer version, and migrations only ever add what older code can do without.
    """
    if revision is None:
        return False
    script = ScriptDirectory.from_config(alembic_config())
    known = {step.revision for step in script.walk_revisions()}
    return revision == script.get_current_head() or revision not in known


def migrate(url: URL, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate to a revision, forwards or back. Head is never back: a newer schema stays.

    Args:
        url: the database, as a role that may change its schema.
        revision: `head`, a revision, or `base` for none of our tables.

    Returns:
        The revision before and after.

    Raises:
        sqlalchemy.exc.OperationalError: no connection, or a lock was not had in time; then
            nothing has changed.
    """
    engine = session_engine(url, application="cryptosource-migrate", timeouts=MIGRATION_TIMEOUTS)
    with engine.connect() as connection:
        _lock(connection)
        before = current_revision(connection)
        connection.rollback()
        if revision == "head" and serves(before):
            return before, before
        config = alembic_config()
        config.attributes["connection"] = connection
        if _is_behind(before, revision):
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)
        connection.commit()
        after = current_revision(connection)
        connection.rollback()
    return before, after


def _lock(connection: Connection) -> None:
    """Wait for the migration lock; the session's end gives it back."""
    connection.execute(text(f"SET lock_timeout = '{WAIT_SECONDS}s'"))
    connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
    connection.execute(text(f"SET lock_timeout = '{MIGRATION_TIMEOUTS.lock_seconds}s'"))
    connection.commit()


def _is_behind(before: str | None, revision: str) -> bool:
    if revision == "base" or before is None:
        return revision != "base"
    script = ScriptDirectory.from_config(alembic_config())
    done = {step.revision for step in script.iterate_revisions(before, "base")}
    return revision == "head" or revision not in done
