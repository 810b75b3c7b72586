"""Database trouble, in the words of a run's outcome."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from cryptosource_etl.errors import Permanent, Retryable, RunError
from cryptosource_store.reasons import Reason

RETRY_AT_ONCE = ("40001", "40P01")
"""SQLSTATE: serialization failure and deadlock; the same page simply goes again."""

_STORAGE = ("53100", "53200", "53400")
_OUTDATED = ("42P01", "42703", "42883")


def sqlstate(error: DBAPIError) -> str:
    """Return the five-character code Postgres gave, or nothing when it gave none."""
    return getattr(error.orig, "pgcode", None) or ""


def as_run_error(error: DBAPIError) -> RunError:
    """Return what a database error means for the run. The statement and its values stay out."""
    state = sqlstate(error)
    first_line = str(error.orig).strip().partition("\n")[0][:160]
    if state in _STORAGE:
        message = f"Postgres has no room left: {first_line}; free or add storage"
        return Retryable(Reason.STORAGE_FULL, message)
    if state in _OUTDATED:
        message = f"The schema is not the one this version needs ({first_line}); run: cryptosource migrate"
        return Permanent(Reason.SCHEMA_OUTDATED, message)
    if not state or state.startswith(("08", "57", "25", "55", "40", "53")):
        message = f"Postgres did not answer as it should: {first_line or 'connection lost'}"
        return Retryable(Reason.DATABASE_UNAVAILABLE, message)
    return Retryable(Reason.INTERNAL_ERROR, f"Postgres refused a statement ({state}): {first_line}")
