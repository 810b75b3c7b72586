"""Make one run of one source, from the command line to the exit code."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import click

from cryptosource_cli.arguments import one_source, readable_manifests, run_settings
from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.interpreter import expect_pages_of_objects, switch_threads_soon
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

START_DELAY_VARIABLE = "CRYPTOSOURCE_START_DELAY_SECONDS"
"""Set by the operator: a stable number for each source, less than its starting deadline."""
MAX_START_DELAY_SECONDS = 3600


def make_run(files: tuple[Path, ...], name: str | None, *, kind: RunKind) -> int:
    """Run a source, print how it ended, and return the exit code.

    Args:
        files: manifests, or folders of them.
        name: of the source, where the files hold several.
        kind: load from the upstream, or judge again what is stored.

    Raises:
        CommandError: the run cannot even begin.
    """
    environment = Environment.read()
    manifests = readable_manifests(files)
    secrets = api_keys_in(manifests)
    configure_logging(environment.log_level, environ=environment.variables, secrets=secrets)
    loaded = one_source(manifests, name)
    settings = run_settings(environment)
    stop = threading.Event()
    stop_on_signals(stop)
    if not wait_for_turn(environment.variables, settings, SystemClock(stop)):
        return TERMINATED_EXIT_CODE
    expect_pages_of_objects()
    switch_threads_soon()
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


def wait_for_turn(variables: Mapping[str, str], settings: RunSettings, clock: Clock) -> bool:
    """Wait if this is a scheduled run that is told to.

    Args:
        variables: the environment.
        settings: the run's; one that somebody asked for starts at once.
        clock: whose sleep ends early when the process is asked to stop.

    Returns:
        False when the process was asked to stop meanwhile.

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
