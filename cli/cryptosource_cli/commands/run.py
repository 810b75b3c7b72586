"""`cryptosource run`."""

from __future__ import annotations

from pathlib import Path

import click

from cryptosource_cli.arguments import files_option, source_option
from cryptosource_cli.single_run import make_run
from cryptosource_etl.pipeline.load.load_run import LOAD


@click.command("run", epilog="Example: cryptosource run -f samples/ --source coins-csv")
@files_option
@source_option
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], name: str | None) -> None:
    """Run one source once, as a Job does.

    Exit code 0: done, or skipped because another run is at it. 75: failed, may work later.
    78: failed, a person has to change something. 143: stopped by a signal.
    """
    ctx.exit(make_run(files, name, kind=LOAD))
