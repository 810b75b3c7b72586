"""Begin the next migration with what `tables/` declares and the last revision does not make.

Alembic compares tables, columns and indexes. A function or a trigger that changes is written into
the file by hand, with its whole new text.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import Script
from sqlalchemy import URL

from cryptosource_store.embedded import embedded_postgres
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import alembic_config, head_revision, migrate


def main() -> None:
    """Write the file; Alembic prints its name."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("subject", help="what it is about, such as source_labels")
    subject = parser.parse_args().subject
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as a user of its own
        with embedded_postgres(Path(folder) / "postgres") as url:
            migrate(url)
            path = write(url, subject)
    tidy(path)


def write(url: URL, subject: str) -> str:
    """Write the migration that follows the head; return its path.

    Args:
        url: of a database that is at the head.
        subject: words of the revision's name, joined by underscores.
    """
    number = int(head_revision().partition("_")[0]) + 1
    config = alembic_config()
    config.set_main_option("file_template", "%%(rev)s")
    with session_engine(url, application="new-migration").connect() as connection:
        config.attributes["connection"] = connection
        made = command.revision(
            config,
            message=subject.replace("_", " ").capitalize(),
            rev_id=f"{number:04}_{subject}",
            autogenerate=True,
        )
    if not isinstance(made, Script):
        raise TypeError("Alembic wrote another number of files than one")
    return made.path


def tidy(path: str) -> None:
    """Format the file, and take out imports that it does not need and comments of Alembic's."""
    written = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(re.sub(r"(?m)^ +# ### .*\n", "", written), encoding="utf-8")
    for step in (["check", "--select=F401,I", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *step, path], check=True)


if __name__ == "__main__":
    main()
