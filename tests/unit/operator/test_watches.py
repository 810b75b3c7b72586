"""What the followers hear, and how a watch that hears nothing is found out."""

from __future__ import annotations

import asyncio

import pytest

from cryptosource_operator import informer, resync
from cryptosource_operator.api_client import ApiError, ApiUnreachableError
from cryptosource_operator.informer import Informer, paths
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import UID_LABEL
from cryptosource_operator.resync import Resync
from cryptosource_operator.watch_cache import CRONJOB, SOURCE, WatchCache


def cronjob(own_uid, version, source="s"):
    return {
        "metadata": {
            "name": own_uid, "namespace": "n", "uid": own_uid, "resourceVersion": str(version),
            "labels": {UID_LABEL: source}, "creationTimestamp": "2026-03-01T12:00:00Z",
        }
    }  # fmt: skip


class FakeApi:
    """An API server with a list, and watches that play what they are given, one after another."""

    def __init__(self, items=(), watches=()):
        self.items, self.watches = list(items), list(watches)
        self.versions = []
        self.over = asyncio.Event()

    async def pages(self, path, *, selector, metadata_only=False):
        yield {"metadata": {"resourceVersion": "100"}, "items": self.items}

    async def list(self, path, *, selector="", metadata_only=False):
        for item in self.items if "cronjobs" in path else ():
            yield item

    async def watch(self, path, *, selector, version):
        self.versions.append(version)
        if not self.watches:
            self.over.set()
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield {"type": event[0], "object": event[1]}


def follow(items, watches, monkeypatch):
    monkeypatch.setattr(informer, "PAUSE_SECONDS", 0)
    cache, looked = WatchCache(), []

    async def scenario():
        api = FakeApi(items, watches)
        (path,) = paths(CRONJOB, ())
        follower = Informer(api, cache, Metrics(), kind=CRONJOB, path=path, look=looked.append)
        task = asyncio.create_task(follower.follow())
        await asyncio.wait_for(api.over.wait(), 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return api

    return asyncio.run(scenario()), cache, looked


def test_a_watch_goes_on_where_the_list_ended_and_bookmarks_move_it(monkeypatch):
    bookmark = {"metadata": {"resourceVersion": "170"}}
    events = [("ADDED", cronjob("b", 150, "t")), ("BOOKMARK", bookmark)]

    api, cache, looked = follow([cronjob("a", 90)], [events], monkeypatch)

    assert api.versions == ["100", "170"]
    assert looked == ["s", "t"]
    assert cache.cronjob("t") is not None


def test_a_lost_watch_goes_on_from_its_version_and_one_too_old_from_a_new_list(monkeypatch):
    gone = {"code": 410, "message": "too old"}
    watches = [
        [("ADDED", cronjob("b", 150, "t")), ApiUnreachableError("lost")],
        [("ERROR", gone)],
        [ApiError(403, "forbidden")],
    ]

    api, cache, _ = follow([cronjob("a", 90)], watches, monkeypatch)

    assert api.versions == ["100", "150", "100", "100"]
    assert cache.cronjob("t") is None


def test_what_is_deleted_is_forgotten_and_looked_at(monkeypatch):
    _, cache, looked = follow([cronjob("a", 90)], [[("DELETED", cronjob("a", 120))]], monkeypatch)

    assert cache.cronjob("s") is None
    assert looked == ["s", "s"]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(resync, "PATIENCE_SECONDS", 0)


def rounds(api, cache, count, between=lambda: None):
    looked = []
    comparer = Resync(api, cache, Metrics(), namespaces=(), look=looked.append)
    dead = []

    async def scenario():
        for _ in range(count):
            between()
            await comparer.compare()
            dead.append(bool(comparer.dead))

    asyncio.run(scenario())
    return dead, looked


def test_lists_that_agree_with_the_watches_say_nothing(impatient):
    cache = WatchCache()
    cache.put(CRONJOB, cronjob("a", 1))

    assert rounds(FakeApi([cronjob("a", 1)]), cache, 5) == ([False] * 5, [])


def test_a_watch_that_misses_one_change_after_another_is_dead_and_its_work_is_done(impatient):
    cache, api = WatchCache(), FakeApi([])

    def change():
        api.items = [cronjob("a", len(api.versions) + 1)]
        api.versions.append("")

    dead, looked = rounds(api, cache, 4, change)

    assert dead == [False, False, True, True]
    assert looked == ["s"] * 4
    assert cache.version(CRONJOB, "a") == "4"


def test_what_is_gone_without_the_watch_saying_so_is_forgotten(impatient):
    cache = WatchCache()
    cache.put(CRONJOB, cronjob("a", 1))

    _, looked = rounds(FakeApi([]), cache, 1)

    assert looked == ["s"]
    assert cache.cronjob("s") is None


def test_a_watch_that_is_only_late_is_not_dead(monkeypatch):
    cache, api = WatchCache(), FakeApi([cronjob("a", 2)])
    cache.put(CRONJOB, cronjob("a", 1))

    async def deliver(_seconds):
        cache.put(CRONJOB, cronjob("a", 2))

    monkeypatch.setattr(resync.asyncio, "sleep", deliver)

    assert rounds(api, cache, 3) == ([False] * 3, [])


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        ((), ["/apis/cryptosource.io/v1alpha1/cryptosources"]),
        (
            ("a", "b"),
            [
                "/apis/cryptosource.io/v1alpha1/namespaces/a/cryptosources",
                "/apis/cryptosource.io/v1alpha1/namespaces/b/cryptosources",
            ],
        ),
    ],
)
def test_served_namespaces_are_asked_one_by_one(namespaces, expected):
    assert paths(SOURCE, namespaces) == expected
