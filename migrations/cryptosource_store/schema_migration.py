"""Migration of a database to the schema that this version needs, while others use the database.

An advisory lock lets one process migrate at a time and makes the others wait. Lock and statement
timeouts make a migration give up rather than block the statements that queue behind it
(docs/faults.md, F11 and F15).
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
"""Advisory lock (one key) of the process that migrates."""
# A short lock timeout: every later statement on the table queues behind a waiting ALTER TABLE.
MIGRATION_TIMEOUTS = SessionTimeouts(statement_seconds=600, lock_seconds=5)

WAIT_SECONDS = 600
"""How long to wait for another process that is migrating."""

REVISION = re.compile(r"(\d{4})_[a-z0-9_]+")
"""Format of a revision's name, which is its file's too: its number in the chain, and its subject.
By the number a revision of a newer version is distinguished from one that no version made."""


def alembic_config() -> Config:
    """Return Alembic's configuration, which replaces an alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "os")
    return config


class UnknownRevision(ValueError):
    """This version cannot migrate from or to a revision. The message says what to do."""


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


def head_revision() -> str:
    """Return the revision that this version of the code needs."""
    head = _script().get_current_head()
    if head is None:
        raise AssertionError("the package was built without its migrations")
    return head


def current_revision(connection: Connection) -> str | None:
    """Return the database's revision; None when it has no schema yet."""
    return MigrationContext.configure(connection).get_current_revision()


def serves(revision: str | None) -> bool:
    """Return whether this version of the code works on a database at `revision`.

    It works on its own revision and on those of newer versions, because migrations only add what
    older code does not need.
    """
    return revision is not None and (revision == head_revision() or _is_newer(revision))


def _is_newer(revision: str) -> bool:
    """Return whether the revision is a newer version's: its number is greater than the head's."""
    found, head = REVISION.fullmatch(revision), REVISION.fullmatch(head_revision())
    return found is not None and head is not None and int(found[1]) > int(head[1])


def check_origin(revision: str | None) -> None:
    """Check that this version can migrate forwards from the revision of a database.

    Args:
        revision: of the database; None when it has no schema yet.

    Raises:
        UnknownRevision: no released version has this revision.
    """
    if revision is None or _is_newer(revision) or revision in _revisions():
        return
    raise UnknownRevision(
        f"the database is at schema {revision}, which no released version makes and from which no "
        f"migration leads to {head_revision()}; use an empty database (another DATABASE_URL, or "
        "another CRYPTOSOURCE_DATA_DIR for the embedded Postgres) and load the sources again"
    )


def _revisions() -> set[str]:
    return {step.revision for step in _script().walk_revisions()}


def migrate(url: URL, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate to a revision, forwards or back.

    `head` never migrates back: a newer version's schema is left as it is.

    Args:
        url: the database, as a role that may change its schema.
        revision: `head`, a revision, or `base` for no tables of this project.

    Returns:
        The revision before and the revision after.

    Raises:
        UnknownRevision: there is no such revision, or no migration leads from the database's.
        sqlalchemy.exc.OperationalError: no connection, or a lock timeout expired; the database is
            unchanged.
    """
    engine = session_engine(url, application="cryptosource-migrate", timeouts=MIGRATION_TIMEOUTS)
    with engine.connect() as connection:
        _lock(connection)
        before = current_revision(connection)
        # Reading the revision began a transaction, and Alembic must begin its own.
        connection.rollback()
        if revision == "head" and serves(before):
            return before, before
        step = command.upgrade if _is_upgrade(before, revision) else command.downgrade
        config = alembic_config()
        config.attributes["connection"] = connection
        step(config, revision)
        connection.commit()
        after = current_revision(connection)
        connection.rollback()
    return before, after


def _lock(connection: Connection) -> None:
    """Wait for the migration lock, which the session's end releases."""
    # lock_timeout applies to advisory locks as well, so the short one is suspended meanwhile.
    connection.execute(text(f"SET lock_timeout = '{WAIT_SECONDS}s'"))
    connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
    connection.execute(text(f"SET lock_timeout = '{MIGRATION_TIMEOUTS.lock_seconds}s'"))
    connection.commit()


def _is_upgrade(before: str | None, revision: str) -> bool:
    """Return whether `revision` is reached from `before` by migrating forwards.

    Raises:
        UnknownRevision: it cannot be reached.
    """
    check_origin(before)
    if revision not in {"head", "base", *_revisions()}:
        raise UnknownRevision(
            f"there is no schema {revision}; this version knows {', '.join(sorted(_revisions()))}"
        )
    if before is None:
        return revision != "base"
    if before not in _revisions():
        raise UnknownRevision(
            f"the database is at schema {before} of a newer version; take it back with that one"
        )
    applied = {step.revision for step in _script().iterate_revisions(before, "base")}
    return revision != "base" and revision not in applied
