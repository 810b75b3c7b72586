"""When the cache is full, and how a watch that delivers nothing is found out."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from cryptosource_operator import resync
from cryptosource_operator.api_client import ApiError, retry
from cryptosource_operator.kinds import CRONJOB, KINDS, SOURCE, paths
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import UID_LABEL
from cryptosource_operator.resync import Resync
from cryptosource_operator.watch_cache import WatchCache


def cronjob(own_uid, version, source="s"):
    return {
        "metadata": {
            "name": own_uid, "namespace": "n", "uid": own_uid, "resourceVersion": str(version),
            "labels": {UID_LABEL: source}, "creationTimestamp": "2026-03-01T12:00:00Z",
        }
    }  # fmt: skip


class FakeApi:
    """An API server with a list of CronJobs, and nothing else."""

    def __init__(self, items=()):
        self.items, self.listed = list(items), False

    async def list(self, path, *, selector="", metadata_only=False):
        await asyncio.sleep(0)
        for item in self.items if "cronjobs" in path else ():
            yield item
            self.listed = True


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(resync, "DELIVERY_SECONDS", 0)


def rounds(api, cache, number, between=lambda: None):
    looked = []
    resyncer = Resync(api, cache, Metrics(), namespaces=(), enqueue=looked.append)
    dead = []

    async def scenario():
        for _ in range(number):
            between()
            await resyncer.compare()
            dead.append(bool(resyncer.dead))

    asyncio.run(scenario())
    return dead, looked


def test_lists_that_agree_with_the_watches_say_nothing(impatient):
    cache = WatchCache()
    cache.put(CRONJOB, cronjob("a", 1))

    assert rounds(FakeApi([cronjob("a", 1)]), cache, 5) == ([False] * 5, [])


def test_a_watch_that_misses_one_change_after_another_is_dead_and_its_work_is_done(impatient):
    cache, api = WatchCache(), FakeApi([])

    versions = count(1)

    def change():
        api.items = [cronjob("a", next(versions))]

    dead, looked = rounds(api, cache, 4, change)

    assert dead == [False, False, True, True]
    assert looked == ["s"] * 4
    assert cache.version(CRONJOB, "a") == "4"


def test_misses_between_which_the_watch_delivered_do_not_add_up(impatient):
    cache, api = WatchCache(), FakeApi([])
    numbers = count()

    def miss_deliver_and_miss_again():
        number = next(numbers)
        api.items = [cronjob("a", number // 2)]
        cache.deliveries[CRONJOB] += number % 2

    dead, looked = rounds(api, cache, 10, miss_deliver_and_miss_again)

    assert looked == ["s"] * 5
    assert dead == [False] * 10


def test_misses_with_nothing_delivered_in_the_quiet_rounds_between_add_up(impatient):
    cache, api = WatchCache(), FakeApi([])
    numbers = count()

    def miss_every_other_round():
        api.items = [cronjob("a", next(numbers) // 2)]

    dead, _ = rounds(api, cache, 6, miss_every_other_round)

    assert dead == [False] * 4 + [True] * 2


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


def test_kopf_is_not_started_before_every_kind_is_served_in_every_namespace():
    class Installing:
        def __init__(self):
            self.answers = iter([ApiError(404, "no CRD yet"), *[None] * 6])
            self.asked = []

        async def request(self, method, path, *, accept):
            self.asked.append(path)
            answer = next(self.answers)
            if answer is not None:
                raise answer

    api = Installing()
    resyncer = Resync(api, WatchCache(), Metrics(), namespaces=("a", "b"), enqueue=lambda _: None)

    asyncio.run(retry(resyncer.check_served, pause_seconds=0))

    wanted = [f"{path}?limit=1" for kind in KINDS for path in paths(kind, ("a", "b"))]
    assert api.asked == [wanted[0], *wanted]


def fill(api, cache, meanwhile):
    """Let something happen after all kinds were listed; return once the cache is full."""

    async def scenario():
        resyncer = Resync(api, cache, Metrics(), namespaces=(), enqueue=lambda _: None)
        waiting = asyncio.create_task(resyncer.wait_until_filled())
        while not api.listed:  # noqa: ASYNC110 - the list is read without a pause of its own
            await asyncio.sleep(0)
        assert not waiting.done()
        meanwhile()
        await asyncio.wait_for(waiting, 10)

    asyncio.run(scenario())


def test_the_cache_is_full_once_the_watches_have_brought_all_that_is_listed():
    cache, things = WatchCache(), [cronjob("a", 1), cronjob("b", 1)]

    fill(FakeApi(things), cache, lambda: [cache.put(CRONJOB, thing) for thing in things])

    assert sorted(cache.uids(CRONJOB)) == ["a", "b"]


def test_an_object_that_is_deleted_before_it_was_delivered_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(resync, "RELIST_SECONDS", 0)
    api, cache = FakeApi([cronjob("a", 1)]), WatchCache()

    fill(api, cache, api.items.clear)

    assert cache.uids(CRONJOB) == []


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


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(resync, "RELIST_SECONDS", 0)
    monkeypatch.setattr(resync, "POLL_SECONDS", 0)


def fill_in_the_end(cache, api, until):
    resyncer = Resync(api, cache, Metrics(), namespaces=(), enqueue=lambda _: None)

    async def scenario():
        filling = asyncio.create_task(resyncer.wait_until_filled())
        async with asyncio.timeout(30):
            while not until(resyncer):  # noqa: ASYNC110 - each turn is one look of the resync
                await asyncio.sleep(0)
            before = list(resyncer.dead)
            cache.put(CRONJOB, api.items[0])
            await filling
        return before, list(resyncer.dead)

    return asyncio.run(scenario())


def test_a_watch_that_never_delivers_anything_is_found_dead_before_the_cache_is_filled(hasty):
    before, after = fill_in_the_end(
        WatchCache(), FakeApi([cronjob("a", 1)]), lambda resyncer: resyncer.dead
    )

    assert before == [CRONJOB]
    assert after == []


def test_a_watch_that_goes_on_delivering_is_not_dead_however_long_the_cache_takes(hasty):
    cache, lists = WatchCache(), count()

    def deliver_and_look(_):
        cache.deliveries[CRONJOB] += 1
        return next(lists) > 20 * resync.MAX_SILENT_RELISTS

    before, after = fill_in_the_end(cache, FakeApi([cronjob("a", 1)]), deliver_and_look)

    assert before == after == []
