"""`cryptosource migrate`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import click

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.schema_check import migrate_schema, require_schema

T = TypeVar("T")

RETRY_SECONDS = 2.0
"""Delay between two attempts with `--wait`."""


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

    click.echo(retry(action, seconds=wait_seconds))


def _check(environment: Environment) -> str:
    with open_database(environment) as url:
        require_schema(url, embedded=False)
    return "The schema is there."


def _migrate(environment: Environment, revision: str) -> str:
    with open_database(environment) as url:
        before, after = migrate_schema(url, revision)
    if before == after:
        return f"The schema is at {after} already."
    return f"The schema went from {before or 'nothing'} to {after or 'nothing'}."


def retry(action: Callable[[], T], *, seconds: float) -> T:
    """Repeat an action until it succeeds, and print each new reason why it does not.

    Args:
        action: the action; it may be repeated.
        seconds: time limit; 0 for one attempt.

    Raises:
        CommandError: the last error, if it is not retryable or the time is up.
    """
    deadline, printed = time.monotonic() + seconds, ""
    while True:
        try:
            return action()
        except CommandError as error:
            # Only what may pass by itself is waited for: a wrong argument stays wrong.
            late = time.monotonic() + RETRY_SECONDS > deadline
            if late or error.exit_code != UNAVAILABLE_EXIT_CODE:
                raise
            if error.message != printed:
                click.echo(f"waiting: {error.message}", err=True)
                printed = error.message
        time.sleep(RETRY_SECONDS)
