"""Bring a database to the schema this version needs, safely while others use it.

An advisory lock lets one process migrate and makes the others wait; lock and statement timeouts
let a migration give up instead of queueing everybody behind it (docs/faults.md, F11 and F15).
"""

from __future__ import annotations

import re
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

REVISION = re.compile(r"(\d{4})_[a-z0-9_]+")
"""What a revision is named, and its file too: its number in the chain and what it is about. The
number tells the revision of a newer version from one that this version cannot know."""


def alembic_config() -> Config:
    """Return Alembic's configuration; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "os")
    return config


class UnknownRevision(ValueError):
    """A revision that this version cannot migrate from, or to. The message says what to do."""


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


def head_revision() -> str:
    """Return the revision this version of the code needs."""
    head = _script().get_current_head()
    if head is None:
        raise AssertionError("the package was built without its migrations")
    return head


def current_revision(connection: Connection) -> str | None:
    """Return the database's revision; None when nothing was migrated yet."""
    return MigrationContext.configure(connection).get_current_revision()


def serves(revision: str | None) -> bool:
    """Return whether this version of the code works on a database at `revision`.

    It works on its own revision and on that of a newer version, because migrations only ever add
    what older code can do without.
    """
    return revision is not None and (revision == head_revision() or _is_newer(revision))


def _is_newer(revision: str) -> bool:
    """Return whether a version after this one made the revision: its number is past the head's."""
    found, head = REVISION.fullmatch(revision), REVISION.fullmatch(head_revision())
    return found is not None and head is not None and int(found[1]) > int(head[1])


def check_origin(revision: str | None) -> None:
    """Refuse the revision of a database that this version cannot migrate forwards.

    Args:
        revision: of the database; None when it has no schema yet.

    Raises:
        UnknownRevision: no released version made it.
    """
    if revision is None or _is_newer(revision) or revision in _known():
        return
    raise UnknownRevision(
        f"the database is at schema {revision}, which no released version makes and from which no "
        f"migration leads to {head_revision()}; use an empty database (another DATABASE_URL, or "
        "another CRYPTOSOURCE_DATA_DIR for the embedded Postgres) and load the sources again"
    )


def _known() -> set[str]:
    return {step.revision for step in _script().walk_revisions()}


def migrate(url: URL, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate to a revision, forwards or back. Head is never back: a newer schema stays.

    Args:
        url: the database, as a role that may change its schema.
        revision: `head`, a revision, or `base` for none of our tables.

    Returns:
        The revision before and after.

    Raises:
        UnknownRevision: there is no such revision, or none of ours leads from the database's.
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
        step = command.upgrade if _is_behind(before, revision) else command.downgrade
        config = alembic_config()
        config.attributes["connection"] = connection
        step(config, revision)
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
    """Return whether the way from `before` to `revision` leads forwards.

    Raises:
        UnknownRevision: there is no such way.
    """
    check_origin(before)
    if revision not in {"head", "base", *_known()}:
        raise UnknownRevision(
            f"there is no schema {revision}; this version knows {', '.join(sorted(_known()))}"
        )
    if before is None:
        return revision != "base"
    if before not in _known():
        raise UnknownRevision(
            f"the database is at schema {before} of a newer version; take it back with that one"
        )
    done = {step.revision for step in _script().iterate_revisions(before, "base")}
    return revision != "base" and revision not in done
