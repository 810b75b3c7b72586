from __future__ import annotations

import asyncio

import pytest

from cryptosource_operator.cache import CRONJOB, SOURCE, Cache
from cryptosource_operator.kube import ApiError
from cryptosource_operator.mirroring import Request
from cryptosource_operator.requesting import Requester, wanted_run
from support.operators import UID, make_cronjob
from support.sources import make_manifest, make_source

FRESH = {"status": {}}


def body(*, token=None, handled=None, **spec):
    manifest = make_manifest(namespace="crypto", uid=UID, **spec)
    manifest["metadata"] |= {"resourceVersion": "1"}
    if token is not None:
        manifest["metadata"]["annotations"] = {"cryptosource.io/run-requested-at": token}
    return manifest | {"status": {} if handled is None else {"lastHandledRunRequest": handled}}


@pytest.mark.parametrize(
    ("source", "cronjob", "wanted"),
    [
        (body(), FRESH, ("create", "create")),
        (body(handled="create"), FRESH, None),
        (body(), {"status": {"lastScheduleTime": "2026-03-01T11:00:00Z"}}, None),
        (body(runOnCreate=False), FRESH, None),
        (body(suspend=True), FRESH, None),
        (body(token="a"), FRESH, ("a", "manual")),
        (body(token="a", handled="create"), FRESH, ("a", "manual")),
        (body(token="a", handled="a"), FRESH, None),
        (body(token="b", handled="a"), FRESH, ("b", "manual")),
        (body(token="a", suspend=True), FRESH, ("a", "manual")),
        (body(token=""), FRESH, ("create", "create")),
        (body(token="x" * 300, handled="x" * 256), FRESH, None),
    ],
)
def test_a_run_is_wanted_once_for_each_token(source, cronjob, wanted):
    assert wanted_run(source, make_source(**source["spec"]), cronjob) == wanted


class FakeApi:
    def __init__(self):
        self.jobs = {}

    async def create(self, path, job):
        name = job["metadata"]["name"]
        if name in self.jobs:
            raise ApiError(409, "exists", reason="AlreadyExists")
        self.jobs[name] = job
        return job | {
            "metadata": job["metadata"]
            | {"uid": name, "resourceVersion": "1", "creationTimestamp": "2026-03-01T12:00:00Z"}
        }


class FakeDatabase:
    def __init__(self):
        self.answers = {}

    async def answer(self, request_id, *, job_name):
        self.answers[request_id] = job_name


def filled_cache():
    cache = Cache()
    cache.put(SOURCE, body())
    cache.put(CRONJOB, make_cronjob())
    return cache


def test_asking_twice_makes_one_job_and_answers_the_same():
    api = FakeApi()
    requester = Requester(api, filled_cache())

    async def twice():
        return [
            await requester.run(body(), make_cronjob(), token="a", trigger="manual")
            for _ in range(2)
        ]

    first, second = asyncio.run(twice())

    assert first == second
    assert list(api.jobs) == [first]


@pytest.mark.parametrize(
    ("request_", "jobs"),
    [
        (Request(request_id="r", uid=UID, for_all=False), 1),
        (Request(request_id="r", uid=None, for_all=True), 1),
        (Request(request_id="r", uid=None, for_all=False), 0),
        (Request(request_id="r", uid="gone", for_all=False), 0),
    ],
)
def test_a_request_through_the_api_gets_its_job_or_is_refused(request_, jobs):
    api, database = FakeApi(), FakeDatabase()

    asyncio.run(Requester(api, filled_cache()).answer(database, request_))

    assert len(api.jobs) == jobs
    assert database.answers == {"r": next(iter(api.jobs), None)}
