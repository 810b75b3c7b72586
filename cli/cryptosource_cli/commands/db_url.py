"""`cryptosource db-url`."""

from __future__ import annotations

import click

from cryptosource_cli.environment import Environment
from cryptosource_store.embedded import running_postgres


@click.command("db-url", epilog='Example: psql "$(cryptosource db-url)"')
def command() -> None:
    """Print the URL of the database in use, for psql and the like.

    With DATABASE_URL set it is that one; else the embedded Postgres of a running `cryptosource up`.
    """
    environment = Environment.read()
    url = environment.database.url or running_postgres(environment.data_dir / "postgres")
    click.echo(url.set(drivername="postgresql").render_as_string(hide_password=False))
