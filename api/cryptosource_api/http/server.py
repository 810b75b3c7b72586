"""The HTTP server: uvicorn in the main thread, or in a thread of another process."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Mapping

import uvicorn
from fastapi import FastAPI
from sqlalchemy import URL

from cryptosource_api.adapters.uvicorn import (
    ConnectionLimits,
    DenialWebSocketProtocol,
    LimitedConfig,
    LimitedProtocol,
)
from cryptosource_api.app import create_app
from cryptosource_api.app_state import AppState
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import request_provider
from cryptosource_telemetry.json_logs import configure_logging

logger = logging.getLogger("cryptosource.api")

BACKLOG = 2048
MAX_MESSAGE_BYTES = 16 * 1024
"""Of a message from a WebSocket's client."""
UNREAD_SECONDS = 60
"""After that the operating system ends a connection whose client does not acknowledge data."""
START_SECONDS = 30.0


class CannotListen(RuntimeError):
    """The API cannot listen on its address. The message says what to do."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens already, so that an address in use is reported at once.

    Raises:
        CannotListen: the port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise CannotListen(_explain(host, port, error)) from error
    # Without it, closing such a connection waits for the client for as long as the kernel retries.
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it from their listener
        option = socket.TCP_USER_TIMEOUT
        listener.setsockopt(socket.IPPROTO_TCP, option, UNREAD_SECONDS * 1000)
    return listener


def _explain(host: str, port: int, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use; stop what listens there, or choose another port "
            "(--port, or CRYPTOSOURCE_API_PORT)"
        )
    if code == errno.EACCES:
        return f"Port {port} needs privileges; choose one from 1024 up (CRYPTOSOURCE_API_PORT)"
    return f"Cannot listen on {host!r}, port {port}: {error}; check CRYPTOSOURCE_API_HOST"


def uvicorn_config(app: FastAPI, settings: ApiSettings) -> uvicorn.Config:
    """Return uvicorn's configuration, with our protocols and limits and without its logs."""
    config = LimitedConfig(
        app,
        http=LimitedProtocol,
        log_config=None,
        # `middleware` writes JSON with the request id.
        access_log=False,
        server_header=False,
        # `client_address` reads X-Forwarded-For, by the proxies that are trusted.
        proxy_headers=False,
        # The application has no lifespan: connections are opened as needed, and closed in
        # `shutdown`.
        lifespan="off",
        ws=DenialWebSocketProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a compressor costs memory for each connection
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    config.limits = ConnectionLimits(
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        write_seconds=settings.write_seconds,
        connections=settings.connections,
    )
    return config


class _Server(uvicorn.Server):
    """A server that signals when it has started, and that ends streams before it stops."""

    def __init__(self, app: FastAPI, settings: ApiSettings) -> None:
        super().__init__(uvicorn_config(app, settings))
        self._app = app
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and signal it."""
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, finish the requests, and close what the application holds."""
        # Streams first: they do not end by themselves, and uvicorn waits for all requests.
        services: AppState = self._app.state.services
        services.live.close()
        await super().shutdown(sockets)
        services.reads.close()
        if services.shared_rates is not None:
            await services.shared_rates.close()


class ApiServer:
    """Serves an application in a thread of this process.

    Args:
        app: from `create_app`.
        settings: where to listen, and limits.
    """

    def __init__(self, app: FastAPI, settings: ApiSettings) -> None:
        self.app = app
        self._settings = settings
        self._server = _Server(app, settings)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """URL at which a person can open the service."""
        if self._socket is None:
            raise RuntimeError("the server is not started")
        host, port = self._socket.getsockname()[:2]
        shown = {"0.0.0.0": "localhost", "127.0.0.1": "localhost", "::": "localhost"}.get(host)  # noqa: S104
        return f"http://{shown or (f'[{host}]' if ':' in host else host)}:{port}"

    def start(self) -> None:
        """Listen, and return once requests are answered.

        Raises:
            CannotListen: the port is in use, or the address is not this machine's.
        """
        self._socket = listening_socket(self._settings.host, self._settings.port)
        self._thread = threading.Thread(target=self._run, name="cryptosource-api", daemon=True)
        self._thread.start()
        self._server.settled.wait(START_SECONDS)
        if not self._server.started:
            raise CannotListen("The API did not start; its log says why")

    def _run(self) -> None:
        assert self._socket is not None  # noqa: S101 - start has bound it
        try:
            self._server.run(sockets=[self._socket])
        finally:
            # Also after a failure, or `start` would wait for its whole timeout.
            self._server.settled.set()

    def stop(self) -> None:
        """Finish the running requests, close the other connections, and wait until that is done."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(self._settings.shutdown_seconds + START_SECONDS)


def serve(settings: ApiSettings, url: URL, *, environ: Mapping[str, str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: from `ApiSettings.from_environ`.
        url: the database, as `parse_database_url` returns it.
        environ: the standard OTEL_* settings.

    Raises:
        CannotListen: the port is in use, or the address is not this machine's.
    """
    configure_logging(settings.log_level, environ=environ or {})
    # Before anything is opened, so that an address in use is the first error.
    listener = listening_socket(settings.host, settings.port)
    engine = api_engine(url, settings)
    provider = request_provider(environ or {})
    try:
        app = create_app(settings, engine, tracer_provider=provider)
        _Server(app, settings).run(sockets=[listener])
    except KeyboardInterrupt:
        logger.info("stopped")
    finally:
        listener.close()
        engine.dispose()
        if provider is not None:
            provider.shutdown()
