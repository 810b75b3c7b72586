"""Prepared statements: planned once per session.

Planning a page of `/data` takes longer than reading it: half a dozen tables are joined, a hundred
rows are read. So the most frequent statements are prepared, by the SQL command PREPARE, because
psycopg2 has no API for it.

Their plans are generic, made without the values: only statements whose best plan is the same for
all values may be prepared. Numbers on which the plan does depend, such as the size of a page, are
written into the text; each of them makes a statement of its own, of which a session keeps
`MAX_PREPARED`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, TextClause
from sqlalchemy.exc import DBAPIError

MAX_PREPARED = 64
"""Maximum number of prepared statements in a session; it then deallocates all and starts again."""
_INFO = "cryptosource.prepared"

INVALID_STATEMENT_NAME = "26000"
DUPLICATE_STATEMENT = "42P05"
FEATURE_NOT_SUPPORTED = "0A000"
"""`cached plan must not change result type`: the schema was migrated since."""

# A bind parameter is `:name`; `::type` is a cast, and `12:34` belongs to a literal.
_BIND = re.compile(r"(?<![:\w]):(\w+)(?!:)")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A statement as the PREPARE and EXECUTE commands that are sent."""

    name: str
    prepare: str
    """Sent once per session."""
    execute: str
    """With the driver's placeholders for `binds`, in their order."""
    binds: tuple[str, ...]

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values for the placeholders of `execute`."""
        return tuple(parameters[name] for name in self.binds)


@dataclass
class _Pooler:
    """Whether a transaction pooler was detected between this process and Postgres."""

    found: bool = False


# A transaction pooler sends each statement to another session, which has prepared nothing. Once
# that has happened it will happen again, so the whole process stops preparing statements.
_POOLER = _Pooler()


def pooler_found() -> bool:
    """Return whether statements must be sent unprepared, because of a transaction pooler."""
    return _POOLER.found


def prepared(
    statement: TextClause, parameters: Mapping[str, Any], constants: Sequence[str] = ()
) -> Prepared:
    """Return a statement's PREPARE and EXECUTE commands; see `execute_prepared` for arguments."""
    return _prepared(statement.text, tuple((name, int(parameters[name])) for name in constants))


@lru_cache(maxsize=1024)
def _prepared(sql: str, constants: tuple[tuple[str, int], ...]) -> Prepared:
    literals = dict(constants)
    binds: list[str] = []

    def replace_bind(match: re.Match[str]) -> str:
        name = match[1]
        if name in literals:
            return str(int(literals[name]))
        if name not in binds:
            binds.append(name)
        return f"${binds.index(name) + 1}"

    text = _BIND.sub(replace_bind, sql)
    name = f"cs_{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
    arguments = f"({', '.join(['%s'] * len(binds))})" if binds else ""
    return Prepared(
        name=name,
        prepare=f"PREPARE {name} AS {text}",
        execute=f"EXECUTE {name}{arguments}",
        binds=tuple(binds),
    )


def execute_prepared(
    connection: Connection,
    statement: TextClause,
    parameters: Mapping[str, Any],
    *,
    constants: Sequence[str] = (),
) -> CursorResult[Any]:
    """Execute a statement that is planned once per session.

    Args:
        connection: in autocommit, because a failed EXECUTE would abort a transaction.
        statement: its best plan must not depend on the values.
        parameters: values by name of the bind parameter.
        constants: names of the parameters on which the plan depends; their values are whole numbers
            and become part of the text.
    """
    if _POOLER.found:
        return connection.execute(statement, parameters)
    parts = prepared(statement, parameters, constants)
    try:
        _prepare_once(connection, parts)
        return connection.exec_driver_sql(parts.execute, parts.values(parameters))
    except DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if state not in {INVALID_STATEMENT_NAME, FEATURE_NOT_SUPPORTED}:
            raise
        # The error proves that nothing was executed, so the statement can be sent once more.
        _POOLER.found |= state == INVALID_STATEMENT_NAME
        connection.info.pop(_INFO, None)
        return connection.execute(statement, parameters)


def _prepare_once(connection: Connection, prepared: Prepared) -> None:
    prepared_names: set[str] = connection.info.setdefault(_INFO, set())
    if prepared.name in prepared_names:
        return
    if len(prepared_names) >= MAX_PREPARED:
        connection.exec_driver_sql("DEALLOCATE ALL")
        prepared_names.clear()
    try:
        connection.exec_driver_sql(prepared.prepare)
    except DBAPIError as error:
        # Names are derived from the text: a statement of this name is this statement.
        if getattr(error.orig, "pgcode", None) != DUPLICATE_STATEMENT:
            raise
    prepared_names.add(prepared.name)
