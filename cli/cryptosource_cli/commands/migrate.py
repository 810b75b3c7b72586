"""`cryptosource migrate`."""

from __future__ import annotations

import click
from sqlalchemy.exc import DBAPIError

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.retries import patiently
from cryptosource_cli.schema_check import require_schema
from cryptosource_store.schema_migration import migrate


@click.command("migrate", epilog="Example: DATABASE_URL=postgresql://… cryptosource migrate")
@click.option("--revision", default="head", show_default=True, help="Where to go, also back.")
@click.option("--check", is_flag=True, help="Change nothing; fail unless the schema is there.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Try again for so long, as when the database starts at the same time.",
)
def command(revision: str, *, check: bool, wait_seconds: float) -> None:
    """Bring the database to the schema this version needs. Safe to call at any time, by many."""
    environment = Environment.read()

    def action() -> str:
        return _check(environment) if check else _migrate(environment, revision)

    click.echo(patiently(action, seconds=wait_seconds))


def _check(environment: Environment) -> str:
    with open_database(environment) as url:
        require_schema(url, embedded=False)
    return "The schema is there."


def _migrate(environment: Environment, revision: str) -> str:
    with open_database(environment) as url:
        try:
            before, after = migrate(url, revision)
        except DBAPIError as error:
            first_line = str(error.orig).strip().partition("\n")[0]
            raise CommandError(
                f"the migration gave up and changed nothing: {first_line}; try again",
                exit_code=UNAVAILABLE_EXIT_CODE,
            ) from error
    if before == after:
        return f"The schema is at {after} already."
    return f"The schema went from {before or 'nothing'} to {after or 'nothing'}."
