"""`cryptosource operator`."""

from __future__ import annotations

import asyncio
import signal

import click

from cryptosource_cli.environment import Environment
from cryptosource_cli.failures import CommandError
from cryptosource_operator.credentials import NoCredentials, login
from cryptosource_operator.operating import Operator
from cryptosource_operator.settings import InvalidSetting, OperatorSettings
from cryptosource_telemetry.logs import configure_logging


async def _operate(settings: OperatorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
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
    configure_logging(environment.log_level)
    variables = dict(environment.variables)
    if namespaces:
        variables["CRYPTOSOURCE_NAMESPACES"] = ",".join(namespaces)
    try:
        settings = OperatorSettings.from_environ(variables)
        login()
    except (InvalidSetting, NoCredentials) as error:
        raise CommandError(str(error)) from error
    asyncio.run(_operate(settings))
