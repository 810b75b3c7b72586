"""`cryptosource maintain`."""

from __future__ import annotations

import json
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.schema_check import require_schema
from cryptosource_cli.text_tables import Cell, print_table
from cryptosource_etl.clock import SystemClock
from cryptosource_store.maintenance import MaintenanceReport, Retention, Step, maintain

DAYS = click.IntRange(1, 36_500)


def _details(step: Step) -> str:
    action = step.action
    if action.months:
        return ", ".join(f"{year:04d}-{month:02d}" for year, month in action.months)
    return "" if action.before is None else f"from before {action.before:%Y-%m-%d %H:%M} UTC"


def report_json(report: MaintenanceReport) -> dict[str, Any]:
    """Return the JSON form of a report, for `-o json`."""
    return {
        "already_running": report.already_running,
        "steps": [
            {
                "action": step.action.kind,
                "table": step.action.table,
                "months": [f"{year:04d}-{month:02d}" for year, month in step.action.months],
                "before": None if step.action.before is None else step.action.before.isoformat(),
                "count": step.count,
                "result": step.result,
            }
            for step in report.steps
        ],
    }


def _print(report: MaintenanceReport) -> None:
    if report.already_running:
        click.echo("Another process is maintaining this database; nothing was done here.")
    elif not report.steps:
        click.echo("Nothing to do.")
    else:
        rows = [
            (
                step.action.kind,
                step.action.table,
                Cell(f"{step.count:,}", right=True),
                Cell(step.result, "yellow" if step.result == "postponed" else None),
                _details(step),
            )
            for step in report.steps
        ]
        print_table(("ACTION", "TABLE", "COUNT", "RESULT", "DETAILS"), rows)


def _maintain(
    environment: Environment, retention: Retention, *, dry_run: bool
) -> MaintenanceReport:
    with open_database(environment) as url:
        require_schema(url, embedded=environment.database.url is None)
        try:
            return maintain(url, retention, now=SystemClock().now(), dry_run=dry_run)
        except DBAPIError as error:
            first_line = str(error.orig).strip().partition("\n")[0]
            raise CommandError(
                f"maintenance stopped: {first_line}; what was done stays done. It needs the role "
                "that owns the tables",
                exit_code=UNAVAILABLE_EXIT_CODE,
            ) from error


@click.command("maintain", epilog="Example: cryptosource maintain --raw-days 7 --dry-run")
@click.option(
    "--raw-days",
    default=Retention.raw_days,
    show_default=True,
    type=DAYS,
    help="Keep raw payloads.",
)
@click.option("--quote-days", type=DAYS, help="Keep observations; for ever by default.")
@click.option(
    "--run-days", default=Retention.run_days, show_default=True, type=DAYS, help="Keep run history."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def command(
    *, raw_days: int, quote_days: int | None, run_days: int, dry_run: bool, output: str
) -> None:
    """Make partitions ahead and drop those wholly past their retention.

    Safe at any time: one process does it, a table in use for long is left for the next time.
    """
    environment = Environment.read()
    retention = Retention(raw_days=raw_days, quote_days=quote_days, run_days=run_days)
    report = _maintain(environment, retention, dry_run=dry_run)
    if output == "json":
        click.echo(json.dumps(report_json(report), indent=2))
    else:
        _print(report)
