"""The API served in a thread of this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import URL

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import ApiServer, CannotListen
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import request_provider
from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment
from cryptosource_store.environment import InvalidSetting


@contextmanager
def serve_api(
    environment: Environment,
    url: URL,
    *,
    host: str,
    port: int,
) -> Iterator[str]:
    """Serve the API while the block runs.

    Args:
        environment: holds the CRYPTOSOURCE_API_* settings.
        url: the database.
        host: the address to listen on.
        port: the port to listen on; 0 lets the system choose.

    Yields:
        The URL of the API and of its documentation, for a person.

    Raises:
        CommandError: a setting is invalid, or the port is in use.
    """
    try:
        settings = ApiSettings.from_environ(environment.variables)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error
    engine = api_engine(url, settings)
    provider = request_provider(environment.variables)
    server = ApiServer(
        create_app(settings, engine, tracer_provider=provider),
        replace(settings, host=host, port=port),
    )
    # The caller prints the address itself.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        server.start()
    except CannotListen as error:
        raise CommandError(str(error)) from error
    try:
        yield f"{server.url} (docs at {server.url}/docs)" if settings.docs else server.url
    finally:
        server.stop()
        engine.dispose()
        if provider is not None:
            provider.shutdown()
