"""The server in a thread: starts, answers over a socket, stops; a port in use is one sentence."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import URL

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import ApiServer, CannotListen
from cryptosource_api.settings import ApiSettings
from support.api import Market


@pytest.fixture
def server(database: URL) -> Iterator[ApiServer]:
    settings = ApiSettings(port=0, pool_size=4, shutdown_seconds=2)
    engine = api_engine(database, settings)
    server = ApiServer(create_app(settings, engine), settings)
    server.start()
    yield server
    server.stop()
    engine.dispose()


def test_it_answers_once_started_and_is_gone_once_stopped(server: ApiServer, market: Market):
    market.coin("BTC", market.source("gecko"))
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        first = client.get("/data")
        second = client.get("/data", headers={"If-None-Match": first.headers["etag"]})
        assert client.get("/health").json()["data"]["status"] == "degraded"

    assert first.json()["data"][0]["id"] == "BTC"
    assert second.status_code == 304
    assert "server" not in first.headers

    url = server.url
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_port_in_use_is_one_clear_sentence(server: ApiServer):
    settings = ApiSettings(port=int(server.url.rpartition(":")[2]))

    with pytest.raises(CannotListen, match=r"is in use; stop what listens there.*--port") as caught:
        ApiServer(server.app, settings).start()
    assert "\n" not in str(caught.value)


def test_a_foreign_address_is_one_clear_sentence(server: ApiServer):
    with pytest.raises(CannotListen, match="CRYPTOSOURCE_API_HOST"):
        ApiServer(server.app, ApiSettings(host="192.0.2.1", port=0)).start()


def test_a_body_of_unknown_length_over_a_socket_is_refused(server: ApiServer):
    host, port = "localhost", int(server.url.rpartition(":")[2])
    head = b"GET /data HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(head + b"11170\r\n" + b"x" * 0x11170 + b"\r\n0\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
