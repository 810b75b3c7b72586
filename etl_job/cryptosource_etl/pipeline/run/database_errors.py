"""Translate database errors into a run's outcome."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from cryptosource_etl.errors import Permanent, Retryable, RunError
from cryptosource_store.reasons import Reason

RETRY_AT_ONCE = ("40001", "40P01")
"""SQLSTATEs of serialization failure and deadlock: the same page is loaded again."""

# Disk full, out of memory, configuration limit exceeded.
_STORAGE_FULL = ("53100", "53200", "53400")
# Undefined table, column, function: the schema is older or newer than this version.
_SCHEMA_OUTDATED = ("42P01", "42703", "42883")
# Connection exception, operator intervention, invalid transaction state, object not in the
# prerequisite state, rolled back by the server, insufficient resources.
_UNAVAILABLE = ("08", "57", "25", "55", "40", "53")


def sqlstate(error: DBAPIError) -> str:
    """Return the five-character code of a database error; empty when the connection was lost."""
    return getattr(error.orig, "pgcode", None) or ""


def as_run_error(error: DBAPIError) -> RunError:
    """Return the run error for a database error."""
    state = sqlstate(error)
    # Only the server's first line: the rest, and SQLAlchemy's own text, quote the statement and its
    # values, which may be an upstream's data.
    first_line = str(error.orig).strip().partition("\n")[0][:160]
    if state in _STORAGE_FULL:
        message = f"Postgres has no room left: {first_line}; free or add storage"
        return Retryable(Reason.STORAGE_FULL, message)
    if state in _SCHEMA_OUTDATED:
        message = f"The schema is not the one this version needs ({first_line}); run: cryptosource migrate"
        return Permanent(Reason.SCHEMA_OUTDATED, message)
    if not state or state.startswith(_UNAVAILABLE):
        message = f"Postgres did not answer as it should: {first_line or 'connection lost'}"
        return Retryable(Reason.DATABASE_UNAVAILABLE, message)
    return Retryable(Reason.INTERNAL_ERROR, f"Postgres refused a statement ({state}): {first_line}")
