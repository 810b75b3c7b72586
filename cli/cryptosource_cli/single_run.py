"""One run of one source, from the command line to the exit code."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import click

from cryptosource_cli.arguments import require_manifests, run_settings, select_source
from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.interpreter import tune_garbage_collection, tune_thread_switching
from cryptosource_cli.references import api_keys_in
from cryptosource_cli.run_factory import RunFactory
from cryptosource_cli.schema_check import require_schema
from cryptosource_cli.signals import stop_on_signals
from cryptosource_etl.clock import Clock, Stopped, SystemClock
from cryptosource_etl.pipeline.run.plan import RunKind
from cryptosource_etl.run_spans import parent_context, planning_links, trace_runs
from cryptosource_etl.settings import RunSettings
from cryptosource_store.environment import InvalidSetting, whole_number
from cryptosource_store.reasons import TERMINATED_EXIT_CODE
from cryptosource_telemetry.json_logs import configure_logging

# Keeps sources with equal schedules from calling their upstreams and Postgres at the same second.
START_DELAY_VARIABLE = "CRYPTOSOURCE_START_DELAY_SECONDS"
"""Set by the operator: a stable number for each source, less than its starting deadline."""
MAX_START_DELAY_SECONDS = 3600


def make_run(files: tuple[Path, ...], name: str | None, *, kind: RunKind) -> int:
    """Run a source, print its outcome, and return the exit code.

    Args:
        files: manifests, or folders of them.
        name: the source's name, if the files hold several.
        kind: load from the upstream, or normalize the stored raw records again.

    Raises:
        CommandError: the run cannot begin.
    """
    environment = Environment.read()
    manifests = require_manifests(files)
    secrets = api_keys_in(manifests)
    configure_logging(environment.log_level, environ=environment.variables, secrets=secrets)
    loaded = select_source(manifests, name)
    settings = run_settings(environment)
    stop = threading.Event()
    stop_on_signals(stop)
    # Before the database is opened: its connection would be idle during the delay.
    if not wait_start_delay(environment.variables, settings, SystemClock(stop)):
        return TERMINATED_EXIT_CODE
    tune_garbage_collection()
    tune_thread_switching()
    variables = environment.variables
    with trace_runs(variables, secrets=secrets), open_database(environment) as url:
        require_schema(url, embedded=environment.database.url is None)
        factory = RunFactory.open(environment, manifests, url, stop=stop)
        run = factory.run(
            loaded,
            settings,
            kind=kind,
            parent=parent_context(variables),
            links=planning_links(variables),
        )
        outcome = run.execute()
    click.echo(f"{'/'.join(loaded.key)}: {outcome.status} ({outcome.reason}): {outcome.message}")
    return outcome.exit_code


def wait_start_delay(variables: Mapping[str, str], settings: RunSettings, clock: Clock) -> bool:
    """Wait for the start delay of a scheduled run; a requested run starts at once.

    Args:
        variables: the environment.
        settings: the run's settings.
        clock: waits; its `sleep` ends early when the process is asked to stop.

    Returns:
        False if the process was asked to stop meanwhile.

    Raises:
        CommandError: the variable is no number of seconds.
    """
    if settings.trigger != "schedule":
        return True
    try:
        seconds = whole_number(variables, START_DELAY_VARIABLE, 0, most=MAX_START_DELAY_SECONDS)
        if seconds:
            clock.sleep(seconds)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error
    except Stopped:
        return False
    return True
