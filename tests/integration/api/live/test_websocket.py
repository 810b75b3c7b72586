"""The WebSocket tells the same as the stream, to whoever subscribes, and closes with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import URL
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cryptosource_api.http.server import ApiServer
from cryptosource_api.live import websocket as live_websocket
from support.readers import coin
from support.runs import load
from support.streams import port_of
from support.waits import Deadline, eventually


@contextmanager
def talking(port: int, **options: Any) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, **options) as client:
        yield client


def said(client: ClientConnection, *kinds: str) -> dict[str, Any]:
    with Deadline(f"a message {' or '.join(kinds)}") as deadline:
        while (message := json.loads(client.recv(deadline.left())))["type"] not in kinds:
            pass
    return dict(message)


def say(client: ClientConnection, **message: Any) -> None:
    client.send(json.dumps(message))


def closed(client: ClientConnection) -> tuple[int, str]:
    try:
        with Deadline("the end of the connection") as deadline:
            while True:
                client.recv(deadline.left())
    except ConnectionClosed as ended:
        frame = ended.rcvd
    assert frame is not None
    return frame.code, frame.reason


def test_a_subscriber_is_told_what_it_asked_for(database: URL, port: int):
    with talking(port) as client:
        say(client, type="subscribe", filters={"symbol": "btc"})
        said(client, "open")
        load(database, [coin("btc", symbol="BTC", price="5"), coin("eth", symbol="ETH")])
        message = said(client, "change")

    assert [record["symbol"] for record in message["data"]] == ["BTC"]
    assert message["complete"] is True
    assert message["id"]


def test_a_subscriber_to_runs_is_told_of_them(database: URL, port: int):
    with talking(port) as client:
        say(client, type="subscribe", filters={"about": "runs", "source": "a"})
        said(client, "open")
        load(database, [coin("btc", symbol="BTC")])
        statuses = [said(client, "runs")["data"][0]["status"]]
        while statuses[-1] == "running":
            statuses.append(said(client, "runs")["data"][0]["status"])

    assert statuses[-1] == "success"


def test_a_second_subscription_replaces_the_first(database: URL, port: int):
    with talking(port) as client:
        say(client, type="subscribe", filters={"symbol": "BTC"})
        said(client, "open")
        say(client, type="subscribe", filters={"symbol": "ETH"})
        said(client, "open")
        load(database, [coin("btc", symbol="BTC"), coin("eth", symbol="ETH")])

        assert [each["symbol"] for each in said(client, "change")["data"]] == ["ETH"]


def test_whoever_comes_back_goes_on_behind_its_last_event(database: URL, port: int):
    load(database, [coin("btc", symbol="BTC")])
    with talking(port) as client:
        say(client, type="subscribe", last_event_id="0.0")

        assert said(client, "change")["data"][0]["symbol"] == "BTC"


def test_a_ping_is_answered(port: int):
    with talking(port) as client:
        say(client, type="ping")

        assert said(client, "pong") == {"type": "pong"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rubbish", "subscribe"),
        ("[1]", "subscribe"),
        ('{"type": "unknown"}', "subscribe"),
        ('{"type": "subscribe", "filters": {"colour": "red"}}', "colour"),
        ('{"type": "subscribe", "filters": {"match": "partial"}}', "give symbol too"),
        ('{"type": "subscribe", "filters": 7}', "must be an object"),
        ('{"type": "subscribe", "filters": []}', "must be an object"),
        ('{"type": "subscribe", "filters": {"last_event_id": "1.1"}}', "filters.last_event_id"),
        ('{"type": "subscribe", "filter": {"symbol": "BTC"}}', "filter: a subscription has"),
        ('{"type": "subscribe", "symbol": "BTC"}', "type, filters, last_event_id"),
        ('{"type": "subscribe", "last_event_id": "x"}', "as it was received"),
    ],
)
def test_a_message_that_means_nothing_is_answered_with_what_would(port: int, text: str, says: str):
    with talking(port) as client:
        client.send(text)

        assert says in said(client, "error", "open").get("detail", "")
        say(client, type="ping")
        assert said(client, "pong")


def test_whoever_says_nothing_is_closed(port: int, monkeypatch):
    monkeypatch.setattr(live_websocket, "SUBSCRIBE_SECONDS", 0.1)
    with talking(port) as client:
        assert closed(client) == (1008, "subscribe-first")


def test_whoever_says_too_much_is_closed(port: int, monkeypatch):
    monkeypatch.setattr(live_websocket, "MESSAGES_PER_MINUTE", 3)
    with talking(port) as client:
        for _ in range(4):
            say(client, type="ping")
        assert closed(client) == (1008, "too-many-messages")


def test_a_message_that_is_too_long_is_closed(port: int):
    with talking(port) as client:
        client.send("x" * 100_000)

        assert closed(client)[0] == 1009


def test_a_refusal_is_no_error_in_the_log(
    serve: Callable[..., ApiServer], caplog: pytest.LogCaptureFixture
):
    server = serve(auth="keys")
    for _ in range(3):
        with pytest.raises(InvalidStatus) as caught, talking(port_of(server)):
            pass
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body)["title"] == "A key is needed"

    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []


def test_one_client_too_many_is_refused_with_a_problem(serve: Callable[..., ApiServer]):
    port = port_of(serve(stream_clients=1))
    with talking(port), pytest.raises(InvalidStatus) as caught, talking(port):
        pass
    assert caught.value.response.status_code == 503
    assert caught.value.response.headers["Retry-After"]
    assert json.loads(caught.value.response.body)["type"].endswith("too-many-streams")


def test_a_page_of_another_site_cannot_connect(port: int):
    with pytest.raises(InvalidStatus) as caught, talking(port, origin="https://elsewhere.test"):
        pass
    assert caught.value.response.status_code == 403
    with talking(port, origin=f"http://127.0.0.1:{port}") as client:
        say(client, type="ping")
        assert said(client, "pong")


def test_a_client_that_goes_gives_its_place_back(serve: Callable[..., ApiServer]):
    port = port_of(serve(stream_clients=1))

    def has_room() -> bool:
        try:
            with talking(port) as client:
                say(client, type="subscribe")
                return said(client, "open")["type"] == "open"
        except InvalidStatus:
            return False

    assert has_room()
    eventually(has_room)


def test_a_stopping_server_closes_as_going_away(serve: Callable[..., ApiServer]):
    server = serve()
    with talking(port_of(server)) as client:
        say(client, type="subscribe")
        said(client, "open")
        server.stop()

        assert closed(client)[0] in {1001, 1012}
