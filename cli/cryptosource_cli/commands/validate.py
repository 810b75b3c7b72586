"""`cryptosource validate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from cryptosource_cli.command_errors import CONFIGURATION_EXIT_CODE
from cryptosource_cli.validation import Report, validate_files


def _print(report: Report) -> None:
    for problem in report.problems:
        click.secho(f"error: {problem}", fg="red", err=True)
    for source in report.sources:
        click.echo(
            f"{report.file}:{source.line}: {source.namespace}/{source.name}: {source.cost_line}"
        )
        for warning in source.warnings:
            click.secho(f"warning: {source.name}: {warning}", fg="yellow", err=True)
        for note in source.notes:
            click.echo(f"note: {source.name}: {note}")
    for note in report.notes:
        click.echo(f"note: {note}")


@click.command("validate", epilog="Example: cryptosource validate samples/ my-source.yaml")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], output: str) -> None:
    """Explain every error in FILES (manifests or folders of them) and what schedules cost.

    Exit code 78 when a manifest is not valid; warnings do not count.
    """
    reports = validate_files(files)
    if output == "json":
        click.echo(json.dumps([asdict(report) for report in reports], default=str, indent=2))
    else:
        for report in reports:
            _print(report)
    if not all(report.ok for report in reports):
        ctx.exit(CONFIGURATION_EXIT_CODE)
