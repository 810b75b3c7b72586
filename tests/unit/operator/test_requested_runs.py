from __future__ import annotations

import asyncio
import contextlib

import pytest

from cryptosource_operator.api_client import ApiError
from cryptosource_operator.kinds import CRONJOB, SOURCE
from cryptosource_operator.requested_runs import RequestedRuns, pending_run
from cryptosource_operator.store_client import DatabaseDown, Request
from cryptosource_operator.watch_cache import WatchCache
from cryptosource_store.run_requests import StartedJob
from support.operators import UID, make_cronjob
from support.sources import make_manifest, make_source

FRESH = {"status": {}}


def body(*, token=None, handled=None, **spec):
    manifest = make_manifest(namespace="default", uid=UID, **spec)
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
    assert pending_run(source, make_source(**source["spec"]), cronjob) == wanted


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

    async def answer(self, request_id, *, jobs, reason=None):
        self.answers[request_id] = (jobs, reason)


def filled_cache(**spec):
    cache = WatchCache()
    cache.put(SOURCE, body(**spec))
    cache.put(CRONJOB, make_cronjob())
    return cache


def test_asking_twice_makes_one_job_and_answers_the_same():
    api = FakeApi()
    requester = RequestedRuns(api, filled_cache())

    async def twice():
        return [await requester.run(make_cronjob(), token="a", trigger="manual") for _ in range(2)]

    first, second = asyncio.run(twice())

    assert first == second
    assert list(api.jobs) == [first]


def asked(uid: str | None = UID, **over):
    return Request(**{"request_id": "r", "uid": uid, "for_all": False, **over})


def answer_of(request_, *, cache=None, api=None):
    api, database = api or FakeApi(), FakeDatabase()

    asyncio.run(RequestedRuns(api, cache or filled_cache()).answer(database, request_))

    return list(api.jobs), database.answers.get("r")


@pytest.mark.parametrize("request_", [asked(), asked(None, for_all=True)])
def test_a_request_through_the_api_gets_its_job(request_):
    (name,), (jobs, _) = answer_of(request_)

    assert jobs == [StartedJob(source_uid=UID, job_name=name)]


def test_an_answer_that_is_lost_after_the_job_was_made_is_given_again_for_the_same_job():
    class LosingOnce(FakeDatabase):
        lost = 0

        async def answer(self, request_id, *, jobs, reason=None):
            if not self.lost:
                self.lost = len(jobs)
                raise DatabaseDown("OperationalError")
            await super().answer(request_id, jobs=jobs, reason=reason)

    api, database, cache = FakeApi(), LosingOnce(), filled_cache()

    async def twice():
        with pytest.raises(DatabaseDown):
            await RequestedRuns(api, cache).answer(database, asked())
        await RequestedRuns(api, cache).answer(database, asked())

    asyncio.run(twice())

    ((jobs, _),) = database.answers.values()
    assert database.lost == 1
    assert [job.job_name for job in jobs] == list(api.jobs)


def test_a_request_for_a_source_that_is_gone_is_refused():
    assert answer_of(asked(None)) == ([], ([], "SourceGone"))


def test_a_request_for_a_source_of_somebody_else_stays_open():
    assert answer_of(asked("another")) == ([], None)


def test_a_request_for_a_source_without_a_cronjob_stays_open_until_it_has_one():
    cache = WatchCache()
    cache.put(SOURCE, body())

    assert answer_of(asked(), cache=cache) == ([], None)


def test_what_is_suspended_is_refused_alone_and_left_out_of_all():
    cache = filled_cache(suspend=True)

    assert answer_of(asked(), cache=cache) == ([], ([], "Suspended"))
    assert answer_of(asked(None, for_all=True), cache=cache) == ([], ([], "NoSources"))


@pytest.mark.parametrize(
    ("code", "answer"), [(403, ([], "JobRefused")), (422, ([], "JobRefused")), (500, None)]
)
def test_a_job_that_the_api_server_never_will_have_is_refused_else_it_is_tried_again(code, answer):
    class Refusing(FakeApi):
        async def create(self, path, job):
            raise ApiError(code, "no", reason="No")

    database = FakeDatabase()
    answering = RequestedRuns(Refusing(), filled_cache()).answer(database, asked())
    with contextlib.suppress(ApiError):
        asyncio.run(answering)

    assert database.answers.get("r") == answer


def test_a_run_goes_on_the_trace_of_who_asked():
    api = FakeApi()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    answer_of(asked(traceparent=parent), api=api)

    (job,) = api.jobs.values()
    annotations = job["spec"]["template"]["metadata"]["annotations"]
    assert annotations["cryptosource.io/traceparent"] == parent
