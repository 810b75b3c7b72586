"""`cryptosource run`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from cryptosource_cli.assembly import Workshop
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.failures import CommandError
from cryptosource_cli.manifests import LoadedSource, Manifests, load_manifests
from cryptosource_cli.schema import require_schema
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.logs import configure_logging
from cryptosource_etl.settings import InvalidSetting, RunSettings
from cryptosource_etl.telemetry import configure_tracing, parent_context


def readable_manifests(files: tuple[Path, ...]) -> Manifests:
    """Load manifests.

    Raises:
        CommandError: one of them has a problem; the message lists them all.
    """
    manifests = load_manifests(files)
    if manifests.problems:
        raise CommandError("\n".join(str(problem) for problem in manifests.problems))
    return manifests


def one_source(manifests: Manifests, name: str | None) -> LoadedSource:
    """Return the source that was asked for.

    Raises:
        CommandError: there is none of that name, or several and no name was given.
    """
    sources = [
        loaded
        for loaded in manifests.sources
        if name in {None, loaded.source.metadata.name, "/".join(loaded.key)}
    ]
    if len(sources) == 1:
        return sources[0]
    known = ", ".join("/".join(loaded.key) for loaded in manifests.sources)
    wanted = f"no source named {name!r}" if name else "more than one source"
    raise CommandError(f"there is {wanted} in these files; choose one with --source: {known}")


def run_settings(environment: Environment) -> RunSettings:
    """Read the run's circumstances.

    Raises:
        CommandError: an environment variable cannot be used.
    """
    try:
        return RunSettings.from_environ(environment.variables)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM and SIGINT, so that a run ends after the page in hand."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


@click.command("run", epilog="Example: cryptosource run -f samples/csv.yaml")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Manifest, or folder of manifests; may be repeated.",
)
@click.option("--source", "name", help="NAME or NAMESPACE/NAME, where the files hold several.")
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], name: str | None) -> None:
    """Run one source once, as a Job does.

    Exit code 0: done, or skipped because another run is at it. 75: failed, may work later.
    78: failed, somebody has to change something. 143: stopped by a signal.
    """
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
        run = workshop.run(loaded, settings, parent=parent_context(environment.variables))
        outcome = run.execute()
    if tracing is not None:
        tracing.shutdown()
    click.echo(f"{'/'.join(loaded.key)}: {outcome.status} ({outcome.reason}): {outcome.message}")
    ctx.exit(outcome.exit_code)
