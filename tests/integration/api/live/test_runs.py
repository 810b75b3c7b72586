"""Runs over the stream: each that begins, gets on or ends is told, once, as the history shows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, Engine

from cryptosource_api.http.server import ApiServer
from cryptosource_api.live import change_listener, run_changes
from support.api import Market
from support.oracle import execute
from support.readers import coin
from support.runs import identity, load
from support.streams import SseClient, heard, listening, port_of
from support.waits import Deadline


def now() -> datetime:
    return datetime.now(UTC)


def told(client: SseClient, status: str) -> dict[str, Any]:
    """Return the next run that has come to a status."""
    with Deadline(f"a run that is {status}") as deadline:
        for event in client.events():
            for run in event.data["data"] if event.name == "runs" else ():
                if run["status"] == status:
                    return dict(run)
            deadline.left()
    raise AssertionError("the stream has ended")


def test_a_run_is_told_as_the_history_of_runs_shows_it(database: URL, serve):
    server = serve()
    with listening(port_of(server), "about=runs") as client:
        assert heard(client, "open").id is None
        load(database, [coin("btc"), coin("eth")])
        run = told(client, "success")

    (listed,) = httpx.get(f"{server.url}/stats/runs").json()["data"]
    assert run == listed
    assert (run["source"], run["namespace"], run["loaded"]) == ("a", "test", 2)


def test_a_run_is_told_when_it_begins_gets_on_and_ends_without_any_notification(
    market: Market, port: int
):
    source_id = market.source("gecko")
    with listening(port, "about=runs") as client:
        heard(client, "open")
        run_id = market.run(source_id, "running", started_at=now(), pages=0)
        assert told(client, "running")["run_id"] == str(run_id)
        market.run_sql("UPDATE etl_runs SET pages = 1 WHERE run_id = :id", id=run_id)
        assert told(client, "running")["pages"] == 1
        market.run_sql(
            "UPDATE etl_runs SET status = 'failure', finished_at = now(), reason = 'KeyRejected' "
            "WHERE run_id = :id",
            id=run_id,
        )
        assert told(client, "failure")["reason"] == "KeyRejected"


def test_a_notification_wakes_whoever_listens(
    database: URL, serve: Callable[..., ApiServer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(change_listener, "POLL_SECONDS", 3600)
    with listening(port_of(serve()), "about=runs") as client:
        heard(client, "open")
        load(database, [coin("btc")])
        assert told(client, "success")["source"] == "a"


def test_what_happened_before_is_not_told_nor_anything_twice(
    market: Market, serve, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(change_listener, "POLL_SECONDS", 0.05)
    source_id = market.source("gecko")
    market.run(source_id, "failure", started_at=now())
    market.run(source_id, "running", started_at=now())
    with listening(port_of(serve(stream_heartbeat_seconds=1)), "about=runs") as client:
        heard(client, "open")
        market.run(source_id, "skipped", started_at=now())

        events = [heard(client, "runs", "heartbeat") for _ in range(3)]

    names = [event.name for event in events]
    assert names.count("runs") == 1
    (event,) = [event for event in events if event.name == "runs"]
    assert [run["status"] for run in event.data["data"]] == ["skipped"]


@pytest.mark.parametrize("query", ["source=a", "source=SCRIPTED&namespace=test"])
def test_filters_are_of_sources(database: URL, market: Market, port: int, query: str):
    other = market.source("other", source_type="csv")
    with (
        listening(port, f"about=runs&{query}") as client,
        listening(port, "about=runs&source=other") as stranger,
    ):
        heard(client, "open")
        heard(stranger, "open")
        market.run(other, "failure", started_at=now())
        load(database, [coin("btc")], source=identity("a"))
        assert told(stranger, "failure")["source"] == "other"
        assert heard(client, "runs").data["data"][0]["source"] == "a"


def test_a_hundred_and_more_runs_come_in_several_events(market: Market, port: int):
    with listening(port, "about=runs") as client:
        heard(client, "open")
        source_id = market.source("gecko")
        market.run_sql(
            "INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, attempt, trigger, "
            "status, started_at, finished_at) SELECT gen_random_uuid(), :source, 'u', 'job' || n, 1, "
            "'schedule', 'skipped', now(), now() FROM generate_series(1, 150) n",
            source=source_id,
        )
        sizes = [len(heard(client, "runs").data["data"]) for _ in range(2)]

    assert sizes == [100, 50]


def test_more_runs_than_can_be_looked_at_are_a_reset(
    market: Market, port: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_changes, "MAX_RUNS", 2)
    with listening(port, "about=runs") as client:
        heard(client, "open")
        for number in range(3):
            market.run(market.source(f"s{number}"), "running", started_at=now())
        assert heard(client, "reset").data == {"reason": "too-much-changed"}


def test_a_run_that_ended_while_the_database_was_away_is_told(
    database: URL, market: Market, port: int
):
    source_id = market.source("gecko")
    run_id = market.run(source_id, "running", started_at=now() - timedelta(hours=1))
    admin = database.set(database="postgres")
    with listening(port, "about=runs") as client:
        heard(client, "open")
        execute(admin, f"ALTER DATABASE {database.database} ALLOW_CONNECTIONS false")
        execute(
            admin,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = 'cryptosource-live' AND datname = :name",
            name=database.database,
        )
        assert heard(client, "status").data == {"database": "down"}
        end = "UPDATE etl_runs SET status = 'failure', finished_at = now() WHERE run_id = :id"
        market.run_sql(end, id=run_id)
        execute(admin, f"ALTER DATABASE {database.database} ALLOW_CONNECTIONS true")
        assert heard(client, "status").data == {"database": "ok"}
        assert told(client, "failure")["run_id"] == str(run_id)


def test_who_listens_to_runs_hears_nothing_of_the_data_and_the_other_way_round(
    database: URL, market: Market, serve: Callable[..., ApiServer]
):
    server = serve(stream_heartbeat_seconds=3600)
    port = port_of(server)
    with (
        listening(port, "about=runs&source=nobody") as of_runs,
        listening(port, "symbol=NONE") as of_data,
        listening(port, "about=runs") as witness,
    ):
        for client in (of_runs, of_data, witness):
            heard(client, "open")
        load(database, [coin("btc")])
        told(witness, "success")
        server.stop()
        for client in (of_runs, of_data):
            assert [event.name for event in client.events()] == ["dropped"]


def test_both_count_towards_one_bound(serve: Callable[..., ApiServer]):
    port = port_of(serve(stream_clients=1))
    with listening(port, "about=runs") as one, listening(port) as two:
        heard(one, "open")
        assert two.status == 503


@pytest.mark.parametrize(
    "query", ["symbol=BTC", "ticker=BTC", "last_event_id=1.1", "symbol=B&match=partial"]
)
def test_what_means_nothing_for_runs_is_refused(port: int, query: str):
    with listening(port, f"about=runs&{query}") as client:
        assert client.status == 422
    assert "about=runs takes source and namespace" in client.body


def test_a_place_to_go_on_from_means_nothing_for_runs(port: int):
    with listening(port, "about=runs", Last_Event_ID="1.1") as client:
        assert client.status == 422
    assert "Last-Event-ID" in client.body


def test_a_change_that_could_not_be_read_is_told_the_next_time(
    engine: Engine, market: Market, monkeypatch: pytest.MonkeyPatch
):
    seen = run_changes.RunTracker()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        seen.begin(connection)
        market.run(market.source("gecko"), "running", started_at=now())

        with monkeypatch.context() as broken:
            broken.setattr(run_changes, "_read_items", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                seen.changed(connection)

        assert len(seen.changed(connection)) == 1
        assert seen.changed(connection) == []
