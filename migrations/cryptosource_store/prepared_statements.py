"""Statements that a session plans once.

Planning a page of `/data` takes longer than reading it: half a dozen tables are joined, a hundred
rows are read. So the hot statements are prepared, by SQL, because psycopg2 knows no other way.

Their plans are generic, made without the values: only statements whose best plan is the same for
all values may come here. Numbers that do decide, such as how many rows are shown, are written into
the statement; each of them is then a statement of its own, and a session keeps `MAX_PREPARED` of them.

A transaction pooler hands each statement to another session, which has prepared nothing. That is
noticed, and from then on the process sends such statements whole.
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
"""Prepared statements of a session; past that it forgets them all and begins anew."""
_INFO = "cryptosource.prepared"

INVALID_STATEMENT_NAME = "26000"
DUPLICATE_STATEMENT = "42P05"
FEATURE_NOT_SUPPORTED = "0A000"
"""`cached plan must not change result type`: somebody migrated the schema meanwhile."""

_BIND = re.compile(r"(?<![:\w]):(\w+)(?!:)")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A statement in the two parts that are sent."""

    name: str
    prepare: str
    """Once for each session."""
    execute: str
    """With the driver's placeholders for `binds`, in their order."""
    binds: tuple[str, ...]

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what `execute` is sent with."""
        return tuple(parameters[name] for name in self.binds)


@dataclass
class _Pooler:
    """Whether somebody between us and Postgres mixes sessions up. One answer a process."""

    found: bool = False


_POOLER = _Pooler()


def pooler_found() -> bool:
    """Return whether statements must be sent whole, because sessions turned out to be mixed up."""
    return _POOLER.found


def prepared(
    statement: TextClause, parameters: Mapping[str, Any], constants: Sequence[str] = ()
) -> Prepared:
    """Return the two parts of a statement; see `execute_prepared`."""
    return _prepared(statement.text, tuple((name, int(parameters[name])) for name in constants))


@lru_cache(maxsize=1024)
def _prepared(sql: str, constants: tuple[tuple[str, int], ...]) -> Prepared:
    written = dict(constants)
    binds: list[str] = []

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name in written:
            return str(int(written[name]))
        if name not in binds:
            binds.append(name)
        return f"${binds.index(name) + 1}"

    text = _BIND.sub(place, sql)
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
    """Execute a statement that is planned once for each session.

    Args:
        connection: in autocommit: an error must not end a transaction.
        statement: whose best plan does not depend on the values.
        parameters: what it binds.
        constants: those of them that are whole numbers which the plan depends on.
    """
    if _POOLER.found:
        return connection.execute(statement, parameters)
    parts = prepared(statement, parameters, constants)
    try:
        _ensure(connection, parts)
        return connection.exec_driver_sql(parts.execute, parts.values(parameters))
    except DBAPIError as error:
        state = getattr(error.orig, "pgcode", None)
        if state not in {INVALID_STATEMENT_NAME, FEATURE_NOT_SUPPORTED}:
            raise
        _POOLER.found |= state == INVALID_STATEMENT_NAME
        connection.info.pop(_INFO, None)
        return connection.execute(statement, parameters)


def _ensure(connection: Connection, prepared: Prepared) -> None:
    known: set[str] = connection.info.setdefault(_INFO, set())
    if prepared.name in known:
        return
    if len(known) >= MAX_PREPARED:
        connection.exec_driver_sql("DEALLOCATE ALL")
        known.clear()
    try:
        connection.exec_driver_sql(prepared.prepare)
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != DUPLICATE_STATEMENT:
            raise
    known.add(prepared.name)
