"""`cryptosource operator`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment
from cryptosource_cli.interpreter import tune_garbage_collection
from cryptosource_operator.credentials import NoCredentials, login
from cryptosource_operator.informer import stop_on_signals
from cryptosource_operator.operator import Operator
from cryptosource_operator.reconcile_tracing import SERVICE_NAME
from cryptosource_operator.settings import OperatorSettings
from cryptosource_store.environment import InvalidSetting
from cryptosource_telemetry.json_logs import configure_logging


@contextmanager
def _trace_reconciles(settings: OperatorSettings, variables: Mapping[str, str]) -> Iterator[None]:
    """Trace the operator's work inside the block if spans are exported."""
    if not settings.traced:
        yield
        return
    from cryptosource_telemetry.tracing import configure_tracing  # noqa: PLC0415 - memory

    provider = configure_tracing(variables, service_name=SERVICE_NAME, sampled_share=1.0)
    try:
        yield
    finally:
        if provider is not None:
            provider.shutdown()


async def _operate(settings: OperatorSettings) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    await Operator(settings).run(stop)


@click.command("operator", epilog="Example: CRYPTOSOURCE_ETL_IMAGE=… cryptosource operator")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    help="Serve this namespace alone; may be repeated. CRYPTOSOURCE_NAMESPACES or all by default.",
)
def command(namespaces: tuple[str, ...]) -> None:
    """Make CronJobs of CryptoSources and mirror their runs into statuses, until SIGTERM.

    Talks to the cluster of the pod it runs in, or else of KUBECONFIG. Without DATABASE_URL, or
    while Postgres is down, schedules go on and statuses say so.
    """
    environment = Environment.read()
    configure_logging(environment.log_level, environ=environment.variables)
    variables = dict(environment.variables)
    if namespaces:
        variables["CRYPTOSOURCE_NAMESPACES"] = ",".join(namespaces)
    try:
        settings = OperatorSettings.from_environ(variables)
        login()
    except (InvalidSetting, NoCredentials) as error:
        raise CommandError(str(error)) from error
    tune_garbage_collection()
    with _trace_reconciles(settings, variables):
        asyncio.run(_operate(settings))
