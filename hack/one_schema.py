"""Hold the migrations to one chain of well-named revisions, and the chart to its end.

Two changes that each add a migration merge without a conflict and leave two ends, which nothing
else reports before a database is migrated. And the number in a revision's name is how a version
recognizes the schema of a newer one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from cryptosource_store.schema_migration import REVISION, alembic_config

CHART = Path(__file__).parents[1] / "charts" / "cryptosource" / "Chart.yaml"
MAX_NAME_LENGTH = 32
"""What Alembic's table holds."""


def misnamed(chain: list[Script]) -> Iterator[str]:
    """Yield what is wrong with the names of a chain that begins with the first revision."""
    for number, step in enumerate(chain, start=1):
        name = step.revision
        found = REVISION.fullmatch(name)
        if found is None or int(found[1]) != number or len(name) > MAX_NAME_LENGTH:
            yield f"revision {name} must be named {number:04}_subject, {MAX_NAME_LENGTH} characters at most"
        if Path(step.path).stem != name:
            yield f"{Path(step.path).name} must be named as its revision, {name}"


def main() -> int:
    """Print what is wrong; return 1 when something is."""
    script = ScriptDirectory.from_config(alembic_config())
    heads = script.get_heads()
    if len(heads) != 1:
        print(f"migrations end in {', '.join(sorted(heads))}: renumber one, and its down_revision")
        return 1
    complaints = list(misnamed([*reversed([*script.walk_revisions()])]))
    named = re.search(r'schema-revision: "(\w+)"', CHART.read_text("utf-8"))
    if named is None or named[1] != heads[0]:
        complaints.append(f"{CHART.name} must name the revision {heads[0]} (schema-revision)")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
