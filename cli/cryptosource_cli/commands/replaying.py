"""`cryptosource replay`."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from cryptosource_cli.assembly import Workshop
from cryptosource_cli.commands.running import (
    one_source,
    readable_manifests,
    run_settings,
    stop_on_signals,
)
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.failures import CommandError
from cryptosource_cli.schema import require_schema
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.logs import configure_logging
from cryptosource_etl.telemetry import configure_tracing, parent_context

NO_FILE = (
    "replay needs the source's manifest, because its spec says how to judge what is stored; "
    "write: cryptosource replay -f FILE --source NAME"
)


@click.command("replay", epilog="Example: cryptosource replay -f samples/ --source coins-csv")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Manifest, or folder of manifests; may be repeated. Required.",
)
@click.option("--source", "name", help="NAME or NAMESPACE/NAME, where the files hold several.")
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], name: str | None) -> None:
    """Judge stored raw records again by the present rules, without calling the upstream.

    What comes out differently is loaded, corrected or withdrawn; the checkpoint stays where it is.
    Exit codes as for `run`.
    """
    if not files:
        raise CommandError(NO_FILE)
    environment = Environment.read()
    configure_logging(environment.log_level)
    manifests = readable_manifests(files)
    loaded = one_source(manifests, name)
    settings = run_settings(environment)
    stop = threading.Event()
    stop_on_signals(stop)
    tracing = configure_tracing(environment.variables)
    with open_database(environment) as url:
        require_schema(url, embedded=environment.database.url is None)
        workshop = Workshop.open(
            url=url,
            manifests=manifests,
            variables=environment.variables,
            data_dir=environment.data_dir,
            clock=SystemClock(stop),
            stop=stop,
        )
        parent = parent_context(environment.variables)
        outcome = workshop.run(loaded, settings, parent=parent, replay=True).execute()
    if tracing is not None:
        tracing.shutdown()
    click.echo(f"{'/'.join(loaded.key)}: {outcome.status} ({outcome.reason}): {outcome.message}")
    ctx.exit(outcome.exit_code)
