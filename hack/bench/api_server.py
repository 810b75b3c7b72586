"""The process that serves: the API, and bare responses of the same bytes from the same server.

`python -m hack.bench.api_server FOLDER`, with DATABASE_URL and the API's own settings. A file
NAME in the folder is answered at /bare/NAME as it is: its first line says the status.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from cryptosource_api.app import create_app
from cryptosource_api.reads import api_engine
from cryptosource_api.server import listening_socket, uvicorn_config
from cryptosource_api.settings import ApiSettings
from cryptosource_api.telemetry import request_provider
from cryptosource_store.settings import DatabaseSettings
from cryptosource_telemetry.logs import configure_logging

BARE = "/bare/"


class Beside:
    """Answers bare responses itself and leaves the rest to the API.

    Args:
        app: the API.
        folder: of the responses.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = folder
        self._responses: dict[str, tuple[int, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http" or not scope["path"].startswith(BARE):
            await self._app(scope, receive, send)
            return
        name = scope["path"].removeprefix(BARE)
        if name not in self._responses:
            status, _, body = (self._folder / name).read_bytes().partition(b"\n")
            self._responses[name] = int(status), body
        status, body = self._responses[name]
        headers = [(b"content-type", b"application/json")]
        if body:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until SIGTERM; the port is the first line of standard output."""
    settings = ApiSettings.from_environ(os.environ)
    url = DatabaseSettings.from_environ(os.environ).url
    assert url is not None, "DATABASE_URL is needed"  # noqa: S101
    configure_logging(settings.log_level)
    provider = request_provider(os.environ)
    app = create_app(settings, api_engine(url, settings), tracer_provider=provider)
    listener = listening_socket("127.0.0.1", 0)
    config = uvicorn_config(app, settings)
    config.app = Beside(app, Path(sys.argv[1]))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
