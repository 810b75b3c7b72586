"""`make migration` begins a revision with what the declared tables have and the last one has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack import new_migration
from sqlalchemy import URL, text

from cryptosource_store import schema_migration
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import head_revision, migrate
from support.revisions import copy_scripts


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of our migrations, to which new ones are written."""
    config = copy_scripts(tmp_path / "alembic")
    for module in (schema_migration, new_migration):
        monkeypatch.setattr(module, "alembic_config", lambda: config)
    return tmp_path / "alembic" / "versions"


def test_the_last_revision_makes_every_declared_table(database: URL, scripts: Path) -> None:
    path = Path(new_migration.write(database, "nothing_to_do"))

    assert path.parent == scripts
    assert path.read_text(encoding="utf-8").count("    pass\n") == 2


def test_it_follows_the_head_and_makes_what_is_missing(database: URL, scripts: Path) -> None:
    head = head_revision()
    with session_engine(database, application="test").begin() as connection:
        connection.execute(text("ALTER TABLE sources DROP COLUMN cluster CASCADE"))

    path = Path(new_migration.write(database, "clusters"))
    new_migration.tidy(str(path))

    written = path.read_text(encoding="utf-8")
    assert path == scripts / f"{int(head[:4]) + 1:04}_clusters.py"
    assert f'down_revision = "{head}"' in written
    assert "import postgresql" not in written, "an import that nothing needs"
    assert migrate(database) == (head, path.stem)
    with session_engine(database, application="test").connect() as connection:
        assert connection.execute(text("SELECT cluster FROM sources")).all() == []
    migrate(database, head)
