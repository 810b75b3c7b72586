"""`cryptosource replay`."""

from __future__ import annotations

from pathlib import Path

import click

from cryptosource_cli.arguments import source_option
from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.single_run import make_run
from cryptosource_etl.pipeline.replay.replay_run import REPLAY

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
@source_option
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], name: str | None) -> None:
    """Judge stored raw records again by the present rules, without calling the upstream.

    What comes out differently is loaded, corrected or withdrawn; the checkpoint stays where it is.
    Exit codes as for `run`.
    """
    if not files:
        raise CommandError(NO_FILE)
    ctx.exit(make_run(files, name, kind=REPLAY))
