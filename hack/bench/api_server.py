"""The process that serves: the API, and bare responses of the same bytes from the same server.

`python -m hack.bench.api_server FOLDER`, with DATABASE_URL and the API's own settings. An answer
that `write_answer` put into the folder as NAME is given at /bare/NAME as it is: status, headers and
body, out of memory, by a Starlette application with this one route, through the same uvicorn with
the same settings and before any code of the API.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import listening_socket, uvicorn_config
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import request_provider
from cryptosource_store.settings import DatabaseSettings
from cryptosource_telemetry.json_logs import configure_logging

BARE = "/bare/"
OF_THE_SERVER = frozenset({"date", "connection", "transfer-encoding"})
"""Headers that uvicorn writes itself, to the API's answers and to bare ones."""

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def write_answer(
    file: Path, *, status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> None:
    """Keep an answer as it came, to be given again."""
    own = [(name.lower(), value) for name, value in headers if name.lower() not in OF_THE_SERVER]
    if body and "content-length" not in dict(own):  # it was streamed
        own.append(("content-length", str(len(body))))
    file.write_bytes(json.dumps([status, own]).encode() + b"\n" + body)


def read_answer(file: Path) -> Answer:
    """Return an answer that was kept, ready to be sent."""
    head, _, body = file.read_bytes().partition(b"\n")
    status, headers = json.loads(head)
    return status, [(name.encode(), value.encode()) for name, value in headers], body


class Beside:
    """Leaves bare responses to a bare Starlette, and the rest to the API.

    Args:
        app: the API.
        folder: of the responses.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = folder
        self._answers: dict[str, Answer] = {}
        self._bare = Starlette(routes=[Route(BARE + "{name}", self._give)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        bare = scope["type"] == "http" and scope["path"].startswith(BARE)
        await (self._bare if bare else self._app)(scope, receive, send)

    async def _give(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._answers:
            self._answers[name] = read_answer(self._folder / name)
        status, headers, body = self._answers[name]
        response = Response(body, status_code=status)
        response.raw_headers = headers
        return response


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
