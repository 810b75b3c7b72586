"""A served API whose streams tell what loads commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import URL

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import ApiServer
from cryptosource_api.settings import ApiSettings
from support.streams import port_of


@pytest.fixture
def serve(database: URL) -> Iterator[Callable[..., ApiServer]]:
    """Start a server with settings; all are stopped at the end."""
    with ExitStack() as stack:

        def start(url: URL = database, **settings: object) -> ApiServer:
            given = {"port": 0, "pool_size": 4, "shutdown_seconds": 2, **settings}
            chosen = ApiSettings(**given)
            engine = api_engine(url, chosen)
            stack.callback(engine.dispose)
            server = ApiServer(create_app(chosen, engine), chosen)
            server.start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def port(serve: Callable[..., ApiServer]) -> int:
    return port_of(serve())
