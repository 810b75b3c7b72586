"""The next version's schema, for tests of how two versions share a database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import URL, text

from cryptosource_store import schema_migration
from cryptosource_store.engine import session_engine

SCRIPTS = Path(schema_migration.__file__).parent / "alembic"

REVISION = """
from alembic import op

revision, down_revision = "{name}", "{after}"


def upgrade():
    op.execute("ALTER TABLE assets ADD COLUMN added_by_the_next_version text")
    op.execute("{then}")


def downgrade():
    op.execute("ALTER TABLE assets DROP COLUMN added_by_the_next_version")
"""


def copy_scripts(folder: Path) -> Config:
    """Copy our migrations to a folder; return Alembic's configuration for them."""
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = schema_migration.alembic_config()
    config.set_main_option("script_location", str(folder))
    return config


@contextmanager
def next_version(folder: Path, *, then: str = "SELECT 1") -> Iterator[str]:
    """Be the next version, whose migrations end in one that is not known here; yield its name.

    Args:
        folder: where to keep its migrations; must not exist.
        then: the last statement of its migration.
    """
    head = schema_migration.head_revision()
    name = f"{int(head[:4]) + 1:04}_next_version"
    config = copy_scripts(folder)
    path = folder / "versions" / f"{name}.py"
    path.write_text(REVISION.format(name=name, after=head, then=then), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema_migration, "alembic_config", lambda: config)
        yield name


def set_revision(url: URL, revision: str) -> None:
    """Say in the database that its schema is at a revision."""
    with session_engine(url, application="test").begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
