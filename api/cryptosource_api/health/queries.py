"""Queries and answers of the health routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from cryptosource_store.schema_migration import current_revision
from cryptosource_store.source_state import RunHistory, judge
from cryptosource_store.statements.source_state import SOURCES_HEALTH

OK = "ok"
DEGRADED = "degraded"
DOWN = "down"


def rfc3339(moment: Any) -> str | None:
    """Return a UTC time as RFC 3339 text; None for None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _describe_source(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the entry of a source, from its row of `SOURCES_HEALTH`."""
    # The store judges: the pages must come to the same state.
    verdict = judge(RunHistory.of_row(row))
    age = row["age_seconds"]
    return {
        "source": row["name"],
        "namespace": row["namespace"],
        "source_type": row["source_type"],
        "state": verdict.state,
        "reason": verdict.reason,
        "message": verdict.message,
        "running": row["running"],
        "last_run": None
        if row["last_run_id"] is None
        else {
            "run_id": row["last_run_id"],
            "status": row["last_status"],
            "reason": row["last_reason"],
            "message": row["last_message"],
            "started_at": rfc3339(row["last_started_at"]),
            "finished_at": rfc3339(row["last_finished_at"]),
        },
        "last_success_at": rfc3339(row["last_success_at"]),
        "consecutive_failures": row["consecutive_failures"],
        "freshness": {
            "age_seconds": None if age is None else int(age),
            "max_age_seconds": row["max_age_seconds"],
            "observed_at": rfc3339(row["observed_at"]),
        },
    }


def overall(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the report for a database that answers.

    Args:
        sources: their entries; one with a reason degrades the whole.
    """
    degraded = [
        {
            "source": each["source"],
            "namespace": each["namespace"],
            "reason": each["reason"],
            "message": each["message"],
        }
        for each in sources
        if each["reason"] is not None
    ]
    return {
        "status": DEGRADED if degraded else OK,
        "database": {"status": OK, "reason": None, "message": None},
        "degraded": degraded,
        "sources": list(sources),
    }


def down(reason: str, message: str) -> dict[str, Any]:
    """Return the report for a database that does not answer, or has an old schema."""
    return {
        "status": DOWN,
        "database": {"status": DOWN, "reason": reason, "message": message},
        "degraded": [],
        "sources": [],
    }


def read_health(connection: Connection) -> dict[str, Any]:
    """Return the report, from one statement."""
    rows = connection.execute(SOURCES_HEALTH).mappings()
    return overall([_describe_source(row) for row in rows])


def _describe_with_checkpoint(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the entry of a source in the detailed report."""
    checkpoint = None
    if row["checkpoint_at"] is not None:
        checkpoint = {
            "records_committed": row["records_committed"],
            "updated_at": rfc3339(row["checkpoint_at"]),
            "age_seconds": row["checkpoint_age_seconds"],
        }
    return {**_describe_source(row), "checkpoint": checkpoint}


def read_detailed_sources(connection: Connection) -> list[dict[str, Any]]:
    """Return the entries of all sources with their checkpoints."""
    rows = connection.execute(SOURCES_HEALTH).mappings()
    return [_describe_with_checkpoint(row) for row in rows]


def read_revision(connection: Connection) -> str | None:
    """Return the revision of the database's schema; None before the first migration."""
    return current_revision(connection)
