"""Server-sent events: every committed change is told, once connected and after coming back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from sqlalchemy import URL, Connection, text

from cryptosource_api.http.server import ApiServer
from cryptosource_api.live import change_listener, hub
from cryptosource_api.live.change_queries import StreamPosition
from cryptosource_api.live.events import Change, Event, Filters
from cryptosource_store.statements.claim import DATA_CHANNEL
from support.oracle import execute, value
from support.readers import coin
from support.runs import identity, load
from support.streams import SseEvent, heard, listening, port_of


def prices(event: SseEvent) -> dict[str, int]:
    return {record["symbol"]: record["price_usd"] for record in event.data["data"]}


def test_a_committed_page_is_told_with_the_records_as_data_shows_them(database: URL, port: int):
    with listening(port) as client:
        assert client.status == 200
        assert client.headers["content-type"].startswith("text/event-stream")
        assert client.headers["cache-control"] == "no-store"
        assert heard(client, "open").id == "0.0"
        load(database, [coin("btc", symbol="BTC", price="5")])

        event = heard(client, "change")

    assert prices(event) == {"BTC": 5}
    assert set(event.data["data"][0]) >= {"id", "asset_id", "sources", "updated_at"}
    assert event.data["removed"] == []
    assert event.data["complete"] is True
    assert event.id == value(
        database,
        "SELECT version || '.' || (extract(epoch FROM changed_at) * 1000000)::bigint "
        "FROM dataset_versions WHERE dataset = 'unified'",
    )


def test_a_notification_that_comes_while_changes_are_read_is_not_left_until_the_next(
    database: URL, serve: Callable[..., ApiServer], monkeypatch: pytest.MonkeyPatch
):
    another_commits = threading.Event()
    read_head = change_listener.read_head

    def read_head_while_another_commits(connection: Connection) -> StreamPosition:
        head = read_head(connection)
        if another_commits.is_set():
            another_commits.clear()
            load(database, [coin("eth", symbol="ETH", price="7")])
            connection.execute(text("SELECT 1"))  # takes the notification off the socket
        return head

    monkeypatch.setattr(change_listener, "POLL_SECONDS", 3600)
    monkeypatch.setattr(change_listener, "read_head", read_head_while_another_commits)
    with listening(port_of(serve())) as client:
        heard(client, "open")
        another_commits.set()
        execute(database, f"SELECT pg_notify('{DATA_CHANNEL}', 'of nothing')")
        assert prices(heard(client, "change")) == {"ETH": 7}


def test_a_large_change_comes_in_parts_and_only_the_last_is_a_place_to_go_on(
    database: URL, port: int
):
    with listening(port) as client:
        heard(client, "open")
        load(database, [coin(f"c{n}", symbol=f"C{n}") for n in range(250)])
        events = [heard(client, "change") for _ in range(3)]

    assert [len(event.data["data"]) for event in events] == [100, 100, 50]
    assert [event.data["complete"] for event in events] == [False, False, True]
    assert [event.id is None for event in events] == [True, True, False]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("ticker=x", {"X": 1}),
        ("symbol=y", {"Y": 3}),
        ("symbol=y&match=partial", {"Y": 3, "YY": 4}),
        ("source=a", {"X": 1, "Y": 3, "YY": 4}),
        ("source=scripted&namespace=test", {"X": 1, "Y": 3, "YY": 4}),
    ],
)
def test_filters_are_those_of_data(database: URL, port: int, query: str, told: dict[str, int]):
    with listening(port, query) as client, listening(port, "source=other") as stranger:
        heard(client, "open")
        heard(stranger, "open")
        load(
            database,
            [
                coin("x", symbol="X", price="1", rank=1),
                coin("y", symbol="Y", price="3"),
                coin("yy", symbol="YY", price="4"),
            ],
        )
        assert prices(heard(client, "change")) == told
        load(database, [coin("z", symbol="Z", price="9")], source=identity("other"))
        assert prices(heard(stranger, "change")) == {"Z": 9}


def test_what_clients_with_the_same_filters_are_told_is_encoded_once(
    database: URL, port: int, monkeypatch: pytest.MonkeyPatch
):
    encoded: list[tuple[str, str | None]] = []
    events = Change.events

    def noted(change: Change, filters: Filters) -> list[Event]:
        encoded.append((change.id, filters.symbol))
        return events(change, filters)

    monkeypatch.setattr(Change, "events", noted)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(listening(port, query))
            for query in ("symbol=btc", "symbol=BTC", "symbol=Btc", "", "", "")
        ]
        for client in clients:
            heard(client, "open")
        load(database, [coin("btc", symbol="BTC", price="5"), coin("eth", symbol="ETH")])
        told = [prices(heard(client, "change")) for client in clients]

    assert told == [{"BTC": 5}] * 3 + [{"BTC": 5, "ETH": 1}] * 3
    assert sorted(encoded, key=str) == sorted(set(encoded), key=str)
    assert {symbol for _, symbol in encoded} == {"BTC", None}


def test_whoever_comes_back_is_told_what_changed_meanwhile_and_nothing_else(
    database: URL, port: int
):
    load(database, [coin("old", symbol="OLD"), coin("btc", symbol="BTC", price="1")])
    with listening(port) as client:
        last = heard(client, "open").id
    for minute in (1, 2):
        load(database, [coin("btc", symbol="BTC", price=str(minute + 1), at=minute)])
    load(database, [coin("new", symbol="NEW", price="7")], source=identity("b"))

    with listening(port, Last_Event_ID=last) as client:
        assert heard(client, "open").id is None
        told, event = {}, SseEvent()
        while event.id is None:
            event = heard(client, "change")
            told |= prices(event)
        assert told == {"BTC": 3, "NEW": 7}
        load(database, [coin("btc", symbol="BTC", price="9", at=9)])
        assert prices(heard(client, "change")) == {"BTC": 9}


def test_an_id_in_the_query_does_as_well(database: URL, port: int):
    load(database, [coin("btc", symbol="BTC")])
    with listening(port, "last_event_id=0.0") as client:
        assert prices(heard(client, "change")) == {"BTC": 1}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("DELETE FROM data_changes", "too-long-ago"),
        ("UPDATE data_changes SET changed_at = changed_at + interval '1 s'", "another-database"),
        ("UPDATE dataset_versions SET version = 0", "another-database"),
    ],
)
def test_whoever_cannot_be_told_what_was_missed_is_told_to_read_anew(
    database: URL, serve: Callable[..., ApiServer], spoil: str, reason: str
):
    for minute in range(3):
        load(database, [coin("btc", at=minute)])
    head = "version || '.' || (extract(epoch FROM changed_at) * 1000000)::bigint"
    last = value(database, f"SELECT {head} FROM data_changes WHERE version = 1")
    execute(database, spoil)

    with listening(port_of(serve()), Last_Event_ID=last) as client:
        event = heard(client, "reset")

    assert event.data == {"reason": reason}
    assert event.id is not None


def test_a_version_that_nobody_recorded_is_a_reset_for_who_listens(database: URL, port: int):
    load(database, [coin("btc")])
    with listening(port) as client:
        heard(client, "open")
        execute(
            database,
            "UPDATE dataset_versions SET version = version + 1 WHERE dataset = 'unified'",
        )
        assert heard(client, "reset").data == {"reason": "too-long-ago"}


def test_more_than_can_be_caught_up_with_is_a_reset(database: URL, port: int, monkeypatch):
    monkeypatch.setattr("cryptosource_api.live.change_queries.MAX_CATCH_UP", 2)
    load(database, [coin(f"c{n}") for n in range(3)])
    with listening(port, Last_Event_ID="0.0") as client:
        assert heard(client, "reset").data == {"reason": "too-much-changed"}


def test_silence_is_filled_with_heartbeats(serve: Callable[..., ApiServer]):
    with listening(port_of(serve(stream_heartbeat_seconds=1))) as client:
        names = [event.name for event, _ in zip(client.events(), range(3), strict=False)]

    assert names == ["open", "heartbeat", "heartbeat"]


def test_one_client_too_many_is_asked_to_come_back(serve: Callable[..., ApiServer]):
    port = port_of(serve(stream_clients=1))
    with listening(port) as first:
        heard(first, "open")
        with listening(port) as second:
            assert second.status == 503
            assert second.headers["retry-after"]
            assert json.loads(second.body)["type"].endswith("too-many-streams")


@pytest.mark.parametrize("bad", ["", "x", "1", "1.x", "-1.2", "9" * 30 + ".1", "١.٢"])
def test_an_id_that_is_none_is_refused_with_what_to_send(port: int, bad: str):
    with listening(port, Last_Event_ID=bad.encode().decode("latin-1")) as client:
        assert client.status == 422
        assert "as it was received" in client.body


def test_an_unknown_filter_is_told_its_right_name(port: int):
    with listening(port, "tickr=BTC") as client:
        assert client.status == 422
        assert "did you mean 'ticker'" in client.body


def test_a_stopping_server_says_so_and_ends_its_streams(serve: Callable[..., ApiServer]):
    server = serve()
    with listening(port_of(server)) as client:
        heard(client, "open")
        server.stop()
        assert [(event.name, event.data) for event in client.events()] == [
            ("dropped", {"reason": "shutting-down"})
        ]


def test_a_database_that_is_away_is_told_and_nothing_is_missed_when_it_is_back(
    database: URL, port: int
):
    load(database, [coin("btc", symbol="BTC")])
    with listening(port) as client:
        heard(client, "open")
        execute(
            database.set(database="postgres"),
            f"ALTER DATABASE {database.database} ALLOW_CONNECTIONS false",
        )
        execute(
            database.set(database="postgres"),
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = 'cryptosource-live' AND datname = :name",
            name=database.database,
        )
        assert heard(client, "status").data == {"database": "down"}
        execute(
            database.set(database="postgres"),
            f"ALTER DATABASE {database.database} ALLOW_CONNECTIONS true",
        )
        load(database, [coin("btc", symbol="BTC", price="2", at=1)])
        assert heard(client, "status").data == {"database": "ok"}
        assert prices(heard(client, "change")) == {"BTC": 2}


def test_no_database_at_all_is_a_503(postgres: URL, serve: Callable[..., ApiServer], monkeypatch):
    monkeypatch.setattr(hub, "READY_SECONDS", 0.5)
    server = serve(url=postgres.set(database="no_such_database"))
    with listening(port_of(server)) as client:
        assert client.status == 503


def test_all_streams_share_one_session_that_listens(database: URL, port: int):
    with listening(port) as one, listening(port) as two, listening(port, "source=a") as three:
        for client in (one, two, three):
            heard(client, "open")
        listeners = """SELECT count(*) FROM pg_stat_activity
                        WHERE application_name = 'cryptosource-live' AND datname = :name"""
        assert value(database, listeners, name=database.database) == 1
