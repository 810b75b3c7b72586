"""The `cryptosource` command and its table of subcommands."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version

import click

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "Run one source once, as a Job does."),
    "up": ("up", "Run sources on their schedules and serve the API, in one process."),
    "validate": ("validate", "Explain every error in manifests, and what schedules cost."),
    "migrate": ("migrate", "Bring the database to the schema this version needs."),
    "trigger": ("trigger", "Request a run now, from the operator or from up."),
    "status": ("status", "Show every source: last run, freshness, checkpoint."),
    "replay": ("replay", "Judge stored raw records again, without calling the upstream."),
    "maintain": ("maintain", "Make partitions ahead and drop those past their retention."),
    "db-url": ("db_url", "Print the URL of the database in use."),
    "api": ("api", "Serve the API alone."),
    "keys": ("keys", "Make, list and revoke keys of the API."),
    "verify": ("verify", "Check a deployment by its URL, as its operator would."),
    "operator": ("operator", "Make CronJobs of CryptoSources and mirror runs into statuses."),
}
"""Name -> module of `cryptosource_cli.commands`, and the line that `--help` shows."""

UNEXPECTED_EXIT_CODE = 70
"""EX_SOFTWARE of sysexits: a bug in this program."""


# An image installs the extra of one part only: importing the other commands would fail there.
class LazyGroup(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in the order of the table."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        if cmd_name not in SUBCOMMANDS:
            return None
        module = importlib.import_module(f"cryptosource_cli.commands.{SUBCOMMANDS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101 - ours
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in SUBCOMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: cryptosource up -f samples/",
)
@click.version_option(version("cryptosource"), prog_name="cryptosource")
def cli() -> None:
    """Keep crypto market data in Postgres fresh, complete and explainable."""


def main() -> None:
    """Run the command; an unexpected exception is shown as one line as well."""
    try:
        cli()
    except Exception as error:
        if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
            raise
        message = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        click.echo(f"Error: unforeseen {message}; set LOG_LEVEL=DEBUG to see where", err=True)
        sys.exit(UNEXPECTED_EXIT_CODE)
