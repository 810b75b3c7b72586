"""What Kopf makes of an API server's lists and watches, and what of it reaches the cache."""

from __future__ import annotations

import asyncio

import pytest

from cryptosource_operator.adapters import kopf as adapter
from cryptosource_operator.informer import Informer
from cryptosource_operator.kinds import CRONJOB, JOB, SOURCE
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import UID_LABEL
from cryptosource_operator.watch_cache import WatchCache
from support.fake_kubernetes import FakeKubernetes, serving

KINDS = (SOURCE, CRONJOB, JOB)


def thing(own_uid, version, source="s"):
    return {
        "metadata": {
            "name": source, "namespace": "n", "uid": own_uid, "resourceVersion": str(version),
            "labels": {UID_LABEL: source}, "creationTimestamp": "2026-03-01T12:00:00Z",
        },
        "spec": {},
    }  # fmt: skip


def event(kind, body):
    return {"type": kind, "object": body}


def bookmark(version):
    return event("BOOKMARK", {"metadata": {"resourceVersion": version}})


class Informed:
    """An informer's surroundings after it has watched for a while."""

    def __init__(self):
        self.kubernetes, self.cache, self.metrics = FakeKubernetes(), WatchCache(), Metrics()
        self.looked = []

    def delivered(self, kind):
        """Return how many events of a kind are counted."""
        name = "cryptosource_operator_watch_events_total"
        return self.metrics.registry.get_sample_value(name, {"kind": kind})

    def watch(self, *, namespaces=(), until=None):
        """Watch until everything that the API server has is delivered, or the informer ends."""
        asyncio.run(asyncio.wait_for(self._watch(namespaces, until or self.everything), 30))

    async def everything(self):
        await self.kubernetes.all_open()
        while sum(map(self.delivered, KINDS)) < self.kubernetes.sent:  # noqa: ASYNC110 - Kopf
            await asyncio.sleep(0.01)

    async def _watch(self, namespaces, until):
        informer = Informer(
            self.cache, self.metrics, namespaces=namespaces, enqueue=self.looked.append
        )
        async with serving(self.kubernetes, self.kubeconfig):
            task = asyncio.create_task(informer.run(asyncio.Event()))
            opened = asyncio.create_task(until())
            await asyncio.wait({task, opened}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                opened.cancel()
                task.result()
            await opened
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def informed(tmp_path, monkeypatch):
    monkeypatch.setattr(adapter, "FIRST_PAUSES_SECONDS", ())
    monkeypatch.setattr(adapter, "LAST_PAUSE_SECONDS", 0.01)
    found = Informed()
    found.kubeconfig = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
    return found


def test_every_kind_is_listed_and_watched_and_each_object_looked_at(informed):
    informed.kubernetes.objects["cryptosources"] = [thing("s", 1)]
    informed.kubernetes.objects["cronjobs"] = [thing("c", 2)]
    informed.kubernetes.watches["jobs"] = [[event("ADDED", thing("j", 150))]]

    informed.watch()

    assert informed.cache.uids(SOURCE) == ["s"]
    assert informed.cache.uids(CRONJOB) == ["c"]
    assert informed.cache.uids(JOB) == ["j"]
    assert informed.looked == ["s"] * 3


def test_the_api_server_selects_our_children_and_sends_lists_in_pages(informed):
    informed.kubernetes.objects["cronjobs"] = [thing(f"c{n}", n) for n in range(1, 151)]

    informed.watch()

    pages = informed.kubernetes.lists("cronjobs")
    assert [page.get("continue") for page in pages] == [None, "100"]
    assert {page["limit"] for page in pages} == {"100"}
    assert len(informed.cache.uids(CRONJOB)) == 150
    for plural in ("cronjobs", "jobs"):
        asked = informed.kubernetes.lists(plural) + informed.kubernetes.watched(plural)
        assert {query.get("labelSelector") for query in asked} == {UID_LABEL}
    sources = informed.kubernetes.lists("cryptosources")
    assert {query.get("labelSelector") for query in sources} == {None}


def test_a_watch_goes_on_where_the_list_ended_and_bookmarks_move_it(informed):
    informed.kubernetes.objects["cronjobs"] = [thing("a", 90)]
    informed.kubernetes.watches["cronjobs"] = [
        [event("ADDED", thing("b", 150, "t")), bookmark("170")]
    ]

    informed.watch()

    versions = [query["resourceVersion"] for query in informed.kubernetes.watched("cronjobs")]
    assert versions == ["100", "170"]
    assert sorted(informed.looked) == ["s", "t"]
    assert informed.cache.cronjob("t") is not None


def test_a_watch_whose_version_is_too_old_begins_with_a_new_list(informed):
    informed.kubernetes.objects["jobs"] = [thing("j", 90)]
    informed.kubernetes.watches["jobs"] = [[event("ERROR", {"code": 410, "message": "too old"})]]

    informed.watch()

    versions = [query["resourceVersion"] for query in informed.kubernetes.watched("jobs")]
    assert versions == ["100", "100"]
    assert len(informed.kubernetes.lists("jobs")) == 2
    assert informed.looked == ["s"]


def test_what_is_deleted_is_forgotten_and_looked_at(informed):
    informed.kubernetes.objects["cronjobs"] = [thing("a", 90)]
    informed.kubernetes.watches["cronjobs"] = [[event("DELETED", thing("a", 120))]]

    informed.watch()

    assert informed.cache.cronjob("s") is None
    assert informed.looked == ["s", "s"]


@pytest.mark.parametrize("code", [403, 429, 500, 503])
def test_an_api_server_that_refuses_for_a_while_is_asked_again(informed, code):
    refusals = [code] * 12
    informed.kubernetes.refusals["jobs"] = [*refusals]
    informed.kubernetes.objects["jobs"] = [thing("j", 90)]

    informed.watch()

    assert informed.cache.uids(JOB) == ["j"]


def test_credentials_that_are_no_longer_taken_are_read_anew(informed):
    informed.kubernetes.refusals["jobs"] = [401]
    informed.kubernetes.objects["jobs"] = [thing("j", 90)]

    informed.watch()

    assert informed.kubernetes.tokens == ["token-1", "token-2"]
    assert informed.cache.uids(JOB) == ["j"]


def test_any_other_error_of_a_watch_ends_the_informer_and_with_it_the_process(informed):
    informed.kubernetes.watches["jobs"] = [[event("ERROR", {"code": 500, "message": "broken"})]]

    with pytest.raises(Exception, match="broken"):
        informed.watch(until=asyncio.Event().wait)


def test_served_namespaces_are_watched_one_by_one_and_nothing_beyond_them(informed):
    async def all_open():
        await informed.kubernetes.until(lambda: sum(one.watch for one in asked) == 6)

    asked = informed.kubernetes.asked

    informed.watch(namespaces=("a", "b"), until=all_open)

    assert {one.path for one in asked} == {
        f"/apis/{group}/namespaces/{name}/{plural}"
        for name in ("a", "b")
        for group, plural in (
            ("cryptosource.io/v1alpha1", "cryptosources"),
            ("batch/v1", "cronjobs"),
            ("batch/v1", "jobs"),
        )
    }


def test_watching_writes_nothing_and_needs_no_right_but_list_and_watch(informed):
    informed.kubernetes.objects["cryptosources"] = [thing("s", 1)]

    informed.watch()

    assert {one.method for one in informed.kubernetes.asked} == {"GET"}
    assert informed.kubernetes.elsewhere == []


def test_events_are_counted_by_kind(informed):
    informed.kubernetes.objects["cryptosources"] = [thing("s", 1), thing("t", 2)]

    informed.watch()

    assert [informed.delivered(kind) for kind in KINDS] == [2, 0, 0]
    assert list(informed.cache.deliveries.values()) == [2, 0, 0]
