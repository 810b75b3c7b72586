"""Databases full enough for a plan to matter, and the plans that Postgres makes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, TextClause, text


def fill(engine: Engine, statements: Sequence[str], **bound: Any) -> None:
    """Run statements, each with what it binds of that, and let Postgres learn what it then has."""
    with engine.begin() as connection:
        for statement in statements:
            needed = {name: bound[name] for name in bound if f":{name}" in statement}
            connection.execute(text(statement), needed)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def plan_nodes(engine: Engine, statement: TextClause, **bound: Any) -> list[dict[str, Any]]:
    """Run a statement and return every node of its plan, with what it has really done."""
    with engine.connect() as connection:
        explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
        (plan,) = connection.scalar(explained, bound)
    return _nodes(plan["Plan"])


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]
