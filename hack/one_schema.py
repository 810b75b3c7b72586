"""Hold the migrations to one chain, and the chart to its end.

Two changes that each add a migration merge without a conflict and leave two ends; nothing would
tell before a database is migrated.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from alembic.script import ScriptDirectory

from cryptosource_store.schema_migration import alembic_config

CHART = Path(__file__).parents[1] / "charts" / "cryptosource" / "Chart.yaml"


def main() -> int:
    """Print what is wrong; return 1 when something is."""
    heads = ScriptDirectory.from_config(alembic_config()).get_heads()
    if len(heads) != 1:
        print(f"migrations end in {', '.join(sorted(heads))}: renumber one, and its down_revision")
        return 1
    named = re.search(r'schema-revision: "(\w+)"', CHART.read_text("utf-8"))
    if named is None or named[1] != heads[0]:
        print(f"{CHART.name} must name the schema's revision {heads[0]} (schema-revision)")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
