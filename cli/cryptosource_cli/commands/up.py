"""`cryptosource up`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import click
from opentelemetry.context import Context
from sqlalchemy import URL

from cryptosource_cli.api_thread import serve_api
from cryptosource_cli.arguments import files_option, require_manifests, run_settings
from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.display import Display, DueTimes, make_display, print_outcomes
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.interpreter import tune_garbage_collection, tune_thread_switching
from cryptosource_cli.maintenance_thread import MaintenanceThread
from cryptosource_cli.manifest_files import LoadedSource, Manifests
from cryptosource_cli.references import api_keys_in
from cryptosource_cli.requested_runs import RequestedRuns
from cryptosource_cli.run_factory import RunFactory
from cryptosource_cli.scheduler import Scheduler, Start
from cryptosource_cli.schema_check import migrate_schema
from cryptosource_cli.signals import stop_on_signals
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.run_spans import trace_runs
from cryptosource_etl.settings import RunSettings
from cryptosource_store.reasons import RunStatus
from cryptosource_telemetry.json_logs import configure_logging

STOP_SECONDS = 30.0
"""Longest time to wait for runs to finish their current page."""


def _log_to_file(environment: Environment, secrets: Iterable[str]) -> Path:
    """Write the JSON logs to a file, apart from the output for a person; return its path."""
    path = environment.data_dir / "logs" / "up.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"cannot write to {environment.data_dir}: {error.strerror}; set CRYPTOSOURCE_DATA_DIR "
            "to a folder of yours"
        ) from error
    configure_logging(
        environment.log_level, stream=stream, environ=environment.variables, secrets=secrets
    )
    return path


def _make_start(factory: RunFactory, display: Display) -> Start:
    def start(loaded: LoadedSource, settings: RunSettings, parent: Context | None) -> RunOutcome:
        display.run_began(loaded)
        run = factory.run(
            loaded,
            settings,
            parent=parent,
            on_progress=lambda progress: display.page_loaded(loaded, progress),
        )
        outcome = run.execute()
        display.run_ended(loaded, outcome)
        return outcome

    return start


def _prepare_runs(
    environment: Environment,
    manifests: Manifests,
    url: URL,
    stop: threading.Event,
    *,
    settings: RunSettings,
    once: bool,
) -> tuple[Scheduler, Callable[[], bool]]:
    """Return the scheduler, and a function that starts it, waits for the first runs and shows them.

    The function returns whether no first run failed.
    """
    factory = RunFactory.open(environment, manifests, url, stop=stop)
    display = make_display()
    due_times = DueTimes()
    scheduler = Scheduler(
        manifests.sources,
        _make_start(factory, display),
        settings=settings,
        clock=factory.clock,
        on_waiting=due_times.set_due_time,
    )

    def first_runs() -> bool:
        with display.live():
            scheduler.begin(once=once)
            outcomes = scheduler.first_outcomes()
        print_outcomes(manifests.sources, outcomes)
        due_times.show()
        return all(outcome.status is not RunStatus.FAILURE for outcome in outcomes.values())

    return scheduler, first_runs


@click.command("up", epilog="Example: cryptosource up -f samples/ --port 8000")
@files_option
@click.option("--once", is_flag=True, help="End after the first runs; exit 1 if one failed.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the API listens.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.pass_context
def command(
    ctx: click.Context, files: tuple[Path, ...], *, once: bool, host: str, port: int
) -> None:
    """Run every source at once and then on its schedule, and serve the API, in one process.

    Without DATABASE_URL an embedded Postgres keeps the data between starts. Ctrl-C ends cleanly.
    """
    environment = Environment.read()
    manifests = require_manifests(files)
    if not manifests.sources:
        raise CommandError("there is no CryptoSource in these files; see samples/")
    settings = run_settings(environment)  # an invalid variable is reported before anything starts
    stop = threading.Event()
    stop_on_signals(stop)
    secrets = api_keys_in(manifests)
    log_path = _log_to_file(environment, secrets)
    tune_garbage_collection()
    tune_thread_switching()
    with ExitStack() as stack:
        stack.enter_context(trace_runs(environment.variables, secrets=secrets))
        url = stack.enter_context(open_database(environment))
        migrate_schema(url)
        if not once:
            address = stack.enter_context(serve_api(environment, url, host=host, port=port))
            click.echo(f"Serving {address}; logs in {log_path}")
            stack.enter_context(MaintenanceThread(url, SystemClock(stop)))
            # The stack unwinds in reverse: `stop` is set before the maintenance thread is joined,
            # after an error too.
            stack.callback(stop.set)
        scheduler, first_runs = _prepare_runs(
            environment, manifests, url, stop, settings=settings, once=once
        )
        if not once:
            requested_runs = RequestedRuns(
                url,
                manifests.sources,
                scheduler.run_now,
                stop=stop,
                crash_points=settings.crash_points,
            )
            stack.enter_context(requested_runs)
        succeeded = first_runs()
        if not once and not stop.is_set():
            click.echo(f"Serving {address}. Ctrl-C stops.")
            while not stop.wait(timeout=1.0):
                pass
        stop.set()
        click.echo("Stopping: runs finish the page in hand." if not once else "Done.")
        if not scheduler.join(STOP_SECONDS):
            click.echo("A run did not stop in time; it goes on from its checkpoint next time.")
    if once and not succeeded:
        ctx.exit(1)
