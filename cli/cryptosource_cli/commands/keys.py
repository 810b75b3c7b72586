"""`cryptosource keys`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.schema_check import require_schema
from cryptosource_cli.text_tables import Cell, print_table
from cryptosource_store.api_keys import Scope, mint
from cryptosource_store.engine import session_engine
from cryptosource_store.statements import api_keys as sql

MAX_NAME_LENGTH = 100
_COLOURS = {"active": "green", "expired": "yellow", "revoked": "red"}

output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table"
)


@contextmanager
def _connect() -> Iterator[Connection]:
    environment = Environment.read()
    with open_database(environment) as url:
        require_schema(url, embedded=environment.database.url is None)
        try:
            with session_engine(url, application="cryptosource-keys").begin() as connection:
                yield connection
        except DBAPIError as error:
            first_line = str(error.orig).strip().partition("\n")[0]
            raise CommandError(
                f"nothing was changed: {first_line}", exit_code=UNAVAILABLE_EXIT_CODE
            ) from error


def key_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the JSON form of a stored key, without its digest."""
    visible = {name: value for name, value in row.items() if name != "digest"}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in visible.items()
    }


@click.group("keys", epilog="Example: cryptosource keys create --name dashboard --scope read")
def command() -> None:
    """Make, list and revoke keys of the API. They are asked for where CRYPTOSOURCE_API_AUTH=keys."""


@command.command("create")
@click.option("--name", required=True, help="Who or what the key is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=[Scope.READ.value],
    show_default=True,
    help="What it allows; may be repeated. admin allows all.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="It expires after so many.",
)
@click.option("--never-expires", is_flag=True, help="It works until it is revoked.")
@output_option
def create(
    name: str, scopes: tuple[str, ...], days: int, *, never_expires: bool, output: str
) -> None:
    """Make a key and print it, this once: only its hash is stored."""
    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise CommandError(f"--name: write 1 to {MAX_NAME_LENGTH} printable characters")
    new_key = mint()
    with _connect() as connection:
        row = connection.execute(
            sql.ADD,
            {
                "key_id": new_key.key_id,
                "name": name.strip(),
                "digest": new_key.digest,
                "scopes": sorted(set(scopes)),
                "days": None if never_expires else days,
            },
        )
        stored = key_json(row.mappings().one())
    if output == "json":
        click.echo(json.dumps({**stored, "key": new_key.key}, indent=2))
        return
    # The key alone goes to standard output, so that it can be piped into a Secret.
    click.echo(new_key.key)
    until = stored["expires_at"] or "it is revoked"
    click.echo(
        f"Key {new_key.key_id} for {stored['name']!r} allows {', '.join(stored['scopes'])} until "
        f"{until}. It is shown this once: keep it now.",
        err=True,
    )


@command.command("list")
@output_option
def show(output: str) -> None:
    """Show every key without its secret. LAST USED is true to ten minutes."""
    with _connect() as connection:
        rows = [key_json(row) for row in connection.execute(sql.LIST).mappings()]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        print_table(
            ("ID", "NAME", "SCOPES", "STATE", "CREATED", "EXPIRES", "LAST USED"), map(_cells, rows)
        )
    else:
        click.echo("There is no key. Make one with: cryptosource keys create --name NAME")


def _cells(row: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    times = (row["created_at"], row["expires_at"], row["last_used_at"])
    return (
        row["key_id"],
        row["name"],
        ",".join(row["scopes"]),
        Cell(row["state"], _COLOURS[row["state"]]),
        *((time or "-").partition(".")[0] for time in times),
    )


@command.command("revoke")
@click.argument("which", metavar="ID|NAME")
def revoke(which: str) -> None:
    """End a key by its id, or all keys with a name. Running APIs know within five seconds."""
    with _connect() as connection:
        rows = list(connection.execute(sql.REVOKE, {"which": which}).mappings())
    if not rows:
        raise CommandError(
            f"no key in force has the id or name {which[:MAX_NAME_LENGTH]!r}; see: cryptosource keys list"
        )
    for row in rows:
        click.echo(f"Revoked {row['key_id']} ({row['name']}).")
