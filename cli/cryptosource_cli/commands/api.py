"""`cryptosource api`."""

from __future__ import annotations

import threading

import click

from cryptosource_api.settings import ApiSettings
from cryptosource_cli.api_thread import serve_api
from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.schema_check import require_schema
from cryptosource_cli.signals import stop_on_signals
from cryptosource_store.environment import InvalidSetting
from cryptosource_telemetry.json_logs import configure_logging


def _settings(environment: Environment) -> ApiSettings:
    try:
        return ApiSettings.from_environ(environment.variables)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error


@click.command("api", epilog="Example: cryptosource api --host 0.0.0.0 --port 8000")
@click.option("--host", help="Where to listen; CRYPTOSOURCE_API_HOST or 127.0.0.1 by default.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="0 lets the system choose; CRYPTOSOURCE_API_PORT or 8000 by default.",
)
def command(host: str | None, port: int | None) -> None:
    """Serve the API alone, until Ctrl-C or SIGTERM."""
    environment = Environment.read()
    settings = _settings(environment)
    configure_logging(environment.log_level, environ=environment.variables)
    stop = threading.Event()
    stop_on_signals(stop)
    with open_database(environment) as url:
        require_schema(url, embedded=environment.database.url is None)
        host = settings.host if host is None else host
        port = settings.port if port is None else port
        with serve_api(environment, url, host=host, port=port) as address:
            click.echo(f"Serving {address}. Ctrl-C stops.")
            stop.wait()
