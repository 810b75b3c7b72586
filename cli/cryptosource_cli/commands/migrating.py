"""`cryptosource migrate`."""

from __future__ import annotations

import click
from sqlalchemy.exc import DBAPIError

from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.failures import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_store.migrating import migrate


@click.command("migrate", epilog="Example: DATABASE_URL=postgresql://… cryptosource migrate")
@click.option("--revision", default="head", show_default=True, help="Where to go, also back.")
def command(revision: str) -> None:
    """Bring the database to the schema this version needs. Safe to call at any time, by many."""
    with open_database(Environment.read()) as url:
        try:
            before, after = migrate(url, revision)
        except DBAPIError as error:
            first_line = str(error.orig).strip().partition("\n")[0]
            raise CommandError(
                f"the migration gave up and changed nothing: {first_line}; try again",
                exit_code=UNAVAILABLE_EXIT_CODE,
            ) from error
    if before == after:
        click.echo(f"The schema is at {after} already.")
    else:
        click.echo(f"The schema went from {before or 'nothing'} to {after or 'nothing'}.")
