from __future__ import annotations

import pytest

from cryptosource_operator.kinds import CRONJOB, JOB, SOURCE
from cryptosource_operator.names import SOURCE_LABEL, UID_LABEL
from cryptosource_operator.watch_cache import WatchCache


def thing(own_uid, version, *, source=None, name=None, labelled=None, **over):
    labels = {} if source is None else {UID_LABEL: source}
    labels |= {} if labelled is None else {SOURCE_LABEL: labelled}
    metadata = {
        "name": name or own_uid, "namespace": "n", "uid": own_uid, "resourceVersion": version,
        "labels": labels, "creationTimestamp": "2026-03-01T12:00:00Z",
        "managedFields": [{"large": "x" * 100}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes"},
    }  # fmt: skip
    return {"metadata": metadata} | over


def test_the_same_version_is_news_once():
    cache = WatchCache()

    assert cache.put(SOURCE, thing("s", "1")) == "s"
    assert cache.put(SOURCE, thing("s", "1")) is None
    assert cache.put(SOURCE, thing("s", "2")) == "s"


def test_what_was_before_our_own_write_is_no_news():
    cache = WatchCache()
    cache.put(CRONJOB, thing("c", "10", source="s", spec={"schedule": "new"}))

    assert cache.put(CRONJOB, thing("c", "9", source="s", spec={"schedule": "old"})) is None
    assert cache.cronjob("s")["spec"] == {"schedule": "new"}


def test_children_are_found_by_the_uid_on_their_label():
    cache = WatchCache()

    assert cache.put(CRONJOB, thing("c", "1", source="s")) == "s"
    assert cache.put(JOB, thing("j", "1", source="s")) == "s"
    assert cache.put(JOB, thing("other", "1")) is None
    assert [job.name for job in cache.jobs("s")] == ["j"]
    assert cache.jobs("t") == ()


def test_what_is_gone_is_forgotten_and_its_source_looked_at():
    cache = WatchCache()
    for kind, own_uid in ((SOURCE, "s"), (CRONJOB, "c"), (JOB, "j")):
        cache.put(kind, thing(own_uid, "1", source="s", name="a-source"))

    assert [
        cache.drop(kind, name) for kind, name in ((JOB, "j"), (CRONJOB, "c"), (SOURCE, "s"))
    ] == [
        "s",
        "s",
        "s",
    ]
    assert cache.drop(SOURCE, "s") is None
    assert (cache.sources, cache.cronjob("s"), cache.jobs("s")) == ({}, None, ())


def test_an_earlier_cronjob_that_goes_does_not_take_the_new_one_along():
    cache = WatchCache()
    cache.put(CRONJOB, thing("old", "1", source="s"))
    cache.put(CRONJOB, thing("new", "2", source="s"))

    cache.drop(CRONJOB, "old")

    assert cache.cronjob("s")["metadata"]["uid"] == "new"


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_of_a_cronjob_under_another_name_is_not_taken_for_it(known):
    cache = WatchCache()
    if known:
        cache.put(SOURCE, thing("s", "1", name="prices"))
    cache.put(CRONJOB, thing("c", "2", source="s", name="prices", labelled="prices"))

    assert cache.put(CRONJOB, thing("d", "3", source="s", name="copy", labelled="prices")) is None
    assert cache.cronjob("s")["metadata"]["uid"] == "c"
    cache.drop(CRONJOB, "d")
    assert cache.cronjob("s")["metadata"]["uid"] == "c"


def test_nothing_is_kept_that_nobody_reads():
    cache = WatchCache()
    cache.put(SOURCE, thing("s", "1", spec={"a": 1}, status={"b": 2}))

    kept = cache.sources["s"]
    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"kept": "yes"}
    assert (kept["spec"], kept["status"]) == ({"a": 1}, {"b": 2})


def test_an_object_that_cannot_be_read_looks_missed_and_not_current():
    cache = WatchCache()
    unreadable = {"metadata": {"name": "j", "namespace": "n", "uid": "j", "resourceVersion": "1"}}

    with pytest.raises(KeyError):
        cache.put(JOB, unreadable | {"status": {"conditions": [{}]}})

    assert cache.version(JOB, "j") is None
    assert cache.uids(JOB) == []
