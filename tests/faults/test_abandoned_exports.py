"""Exports whose client or server goes: cut visibly, and nothing of them is left in Postgres."""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

from cryptosource_api.http.models import Problem
from support import postgres as postgres_support
from support.commands import environment
from support.exporting import LAST_CHUNK, begun, long_history, open_exports, rest_of
from support.serving import ServedApi, serving
from support.waits import eventually

QUOTES = 60_000
"""Some 16 MB, more than the sockets of both sides take."""
EXPORT = "/data/BTC/history?format=ndjson"
ROW = b'{"observed_at"'


@pytest.fixture(scope="module")
def long(postgres: URL, migrated_template: str) -> Iterator[URL]:
    """A database with one long history."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        long_history(url, QUOTES)
        yield url


@contextmanager
def exporting(url: URL, folder: Path, **variables: str) -> Iterator[ServedApi]:
    """Serve with room for one export and one statement at a time."""
    chosen = {"EXPORT_CONCURRENCY": "1", "POOL_SIZE": "1", "EXPORT_STALL_SECONDS": "60"} | variables
    settings = {f"CRYPTOSOURCE_API_{name}": value for name, value in chosen.items()}
    env = environment(url, folder, **settings)
    with serving("api", env=env, folder=folder) as api:
        yield api


def goes_on(api: ServedApi, url: URL) -> None:
    """Check that the one place and the one connection are free again, and nothing had failed."""
    eventually(lambda: open_exports(url) == 0)
    status, body = api.text(f"{EXPORT}&limit=2500")
    assert (status, body.count("\n")) == (200, 2500)
    assert api.text("/data")[0] == 200
    eventually(lambda: open_exports(url) == 0)
    assert '"exception"' not in api.command.stderr


def test_a_client_that_stalls_is_cut_off_and_leaves_its_place(long: URL, tmp_path: Path):
    with exporting(long, tmp_path, EXPORT_STALL_SECONDS="2") as api:
        with begun(api, EXPORT) as (link, _):
            goes_on(api, long)
            received = rest_of(link)

        assert not received.endswith(LAST_CHUNK)
        assert received.count(ROW) < QUOTES


def test_a_client_that_leaves_half_way_ends_its_export(long: URL, tmp_path: Path):
    with exporting(long, tmp_path) as api:
        with begun(api, EXPORT):
            assert open_exports(long) == 1  # it is under way, and would be for a minute

        goes_on(api, long)


def test_one_export_more_than_allowed_is_told_to_come_back(long: URL, tmp_path: Path):
    with exporting(long, tmp_path) as api:
        with begun(api, EXPORT):
            with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)) as other:
                other.request("GET", "/data?format=csv")
                refused = other.getresponse()
                problem = Problem.model_validate_json(refused.read())
            assert api.text("/data")[0] == 200

        assert (refused.status, refused.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        assert int(refused.headers["retry-after"]) > 0
        assert problem.type == "urn:cryptosource:problem:exports-busy"
        goes_on(api, long)


def no_longer_listens(api: ServedApi) -> bool:
    try:
        socket.create_connection(("127.0.0.1", api.port), timeout=5).close()
    except ConnectionError:
        return True
    return False


def test_an_export_under_way_at_sigterm_is_finished_within_the_grace(long: URL, tmp_path: Path):
    with (
        exporting(long, tmp_path, SHUTDOWN_SECONDS="60") as api,
        begun(api, EXPORT, window=None) as (link, first),
    ):
        api.command.signal(signal.SIGTERM)
        eventually(lambda: no_longer_listens(api))
        received = first + rest_of(link)

        assert received.endswith(LAST_CHUNK)
        assert received.count(ROW) == QUOTES + 1
        assert api.command.wait() == 0
    assert open_exports(long) == 0


def test_an_export_that_outlasts_the_grace_is_cut_so_that_its_client_can_tell(
    long: URL, tmp_path: Path
):
    with (
        exporting(long, tmp_path, SHUTDOWN_SECONDS="1") as api,
        begun(api, EXPORT) as (link, _),
    ):
        api.command.signal(signal.SIGTERM)
        assert api.command.wait() == 0
        received = rest_of(link)

        assert not received.endswith(LAST_CHUNK)
        eventually(lambda: open_exports(long) == 0)
