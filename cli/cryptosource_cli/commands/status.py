"""`cryptosource status`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from sqlalchemy import URL

from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.schema_check import require_schema
from cryptosource_cli.text_tables import Cell, human_age, print_table, shortened
from cryptosource_crd.schedule import next_run
from cryptosource_store.embedded import EmbeddedPostgresError, running_postgres
from cryptosource_store.engine import session_engine
from cryptosource_store.reasons import RunStatus
from cryptosource_store.source_state import RunHistory, judge
from cryptosource_store.statements.source_state import SOURCES_STATUS

NOTHING_YET = (
    "No source has run yet. Run some with: cryptosource up -f samples/ "
    "(or one, once: cryptosource run -f samples/csv-data.yaml -f samples/csv.yaml)"
)
HEADINGS = (
    *("SOURCE", "TYPE", "SCHEDULE", "LAST RUN", "WHEN", "RECORDS", "FRESHNESS"),
    *("CHECKPOINT", "FAILURES", "NEXT"),
)
CURSOR_WIDTH = 28
_COLOURS = {
    "fresh": "green",
    "stale": "yellow",
    "never loaded": "yellow",
    "success": "green",
    "failure": "red",
    "interrupted": "red",
}

Row = Mapping[Any, Any]


@contextmanager
def _database(environment: Environment) -> Iterator[URL | None]:
    """Yield the database in use; None if there is none yet."""
    folder = environment.data_dir / "postgres"
    if environment.database.url is None:
        # Not `open_database` at once: it would create an embedded database only to show that it is
        # empty, and start one that another process runs already.
        try:
            yield running_postgres(folder)
        except EmbeddedPostgresError:
            if not (folder / "PG_VERSION").exists():
                yield None
                return
        else:
            return
    with open_database(environment) as url:
        yield url


def freshness(row: Row) -> str:
    """Return `suspended`, `never loaded`, `stale` or `fresh`, by the age of the last success."""
    history = RunHistory.of_row(row)
    if history.suspended:
        return "suspended"
    if history.never_succeeded:
        return "never loaded"
    return "stale" if history.stale else "fresh"


def short_cursor(cursor: Mapping[str, Any] | None) -> str:
    """Return a cursor's flat members as one short text; `start` for an empty cursor."""
    if not cursor:
        return "start"
    # Nested members are validators of pages, which are of no use to a reader.
    flat = (f"{name}={value}" for name, value in cursor.items() if isinstance(value, str | int))
    return shortened(", ".join(flat) or "validators", CURSOR_WIDTH)


def next_attempt(row: Row) -> datetime | None:
    """Return the time of the next scheduled run, not before the end of a wait for the upstream."""
    if row["suspended"] or not row["schedule"]:
        return None
    earliest = max(row["now"], row["next_attempt_at"] or row["now"])
    # The row was stored by another process. A zone that this machine does not know, or a schedule
    # of another version's rules, must not keep the other sources from being shown.
    try:
        return next_run(row["schedule"], row["time_zone"] or "Etc/UTC", earliest)
    except ValueError:
        return None


def describe(row: Row) -> dict[str, Any]:
    """Return the members of a source in the output of `-o json`."""
    due, age = next_attempt(row), row["age_seconds"]
    return {
        "source": row["name"],
        "namespace": row["namespace"],
        "type": row["source_type"],
        "schedule": row["schedule"],
        "time_zone": row["time_zone"],
        "suspended": row["suspended"],
        "state": judge(RunHistory.of_row(row)).state,
        "running": row["running"],
        "last_run": _last_run(row),
        "last_success_at": _format_time(row["last_success_at"]),
        "records": row["records"],
        "freshness": freshness(row),
        "age_seconds": None if age is None else int(age),
        "max_age_seconds": row["max_age_seconds"],
        "checkpoint": _checkpoint(row),
        "consecutive_failures": row["consecutive_failures"],
        "next_attempt_at": _format_time(due),
    }


def _last_run(row: Row) -> dict[str, Any] | None:
    if row["last_run_id"] is None:
        return None
    return {
        "run_id": row["last_run_id"],
        "trigger": row["last_trigger"],
        "status": row["last_status"],
        "reason": row["last_reason"],
        "message": row["last_message"],
        "started_at": _format_time(row["last_started_at"]),
        "finished_at": _format_time(row["last_finished_at"]),
    }


def _checkpoint(row: Row) -> dict[str, Any] | None:
    if row["checkpoint_updated_at"] is None:
        return None
    return {
        "cursor": row["cursor"],
        "records_committed": row["records_committed"],
        "observed_at": _format_time(row["checkpoint_observed_at"]),
        "updated_at": _format_time(row["checkpoint_updated_at"]),
        "age_seconds": row["checkpoint_age_seconds"],
    }


def _format_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _table_cells(row: Row) -> Sequence[Cell | str]:
    state = freshness(row)
    due = next_attempt(row)
    return (
        f"{row['namespace']}/{row['name']}",
        row["source_type"],
        row["schedule"] or "-",
        *_run_cells(row),
        Cell(f"{row['records']:,}", right=True),
        Cell(state, _COLOURS.get(state)),
        _format_checkpoint(row),
        Cell(str(row["consecutive_failures"]), right=True),
        "-" if due is None else "in " + human_age((due - row["now"]).total_seconds()),
    )


def _run_cells(row: Row) -> tuple[Cell | str, str]:
    """Return status and age of the run under way, else of the last one, as two cells."""
    if row["running"]:
        return RunStatus.RUNNING, human_age(row["running_seconds"])
    if row["last_run_id"] is None:
        return "-", human_age(None)
    words = row["last_status"] + (f" ({row['last_reason']})" if row["last_reason"] else "")
    return Cell(words, _COLOURS.get(row["last_status"])), human_age(row["last_run_age_seconds"])


def _format_checkpoint(row: Row) -> str:
    if row["checkpoint_updated_at"] is None:
        return "-"
    age = human_age(row["checkpoint_age_seconds"])
    return f"{short_cursor(row['cursor'])} @{row['records_committed']:,} {age}"


def read_status(url: URL) -> list[Row]:
    """Return a row per source."""
    # One statement, so that all rows are of one moment.
    engine = session_engine(url, application="cryptosource-status")
    with engine.connect() as connection:
        return list(connection.execute(SOURCES_STATUS).mappings())


@click.command("status", epilog="Example: cryptosource status -o json")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def command(output: str) -> None:
    """Show every source: last run, freshness, checkpoint, next attempt.

    FRESHNESS compares the age of the last successful run with spec.freshness.maxAgeSeconds.
    CHECKPOINT is the cursor, the records committed in the current pass, and its age.
    """
    environment = Environment.read()
    with _database(environment) as url:
        if url is not None:
            require_schema(url, embedded=environment.database.url is None)
        rows = [] if url is None else read_status(url)
    if output == "json":
        click.echo(json.dumps([describe(row) for row in rows], indent=2))
    elif rows:
        print_table(HEADINGS, [_table_cells(row) for row in rows])
    # With `-o json` on stderr: stdout has to stay one JSON document.
    if not rows:
        click.echo(NOTHING_YET, err=output == "json")
