"""What the applier makes of an API server's answers."""

from __future__ import annotations

import asyncio

import pytest

from cryptosource_operator.api_client import ApiError
from cryptosource_operator.cronjob_applier import REFUSED_SECONDS, CronJobApplier
from cryptosource_operator.kinds import CRONJOB
from cryptosource_operator.watch_cache import WatchCache
from support.operators import SETTINGS, UID, make_cronjob
from support.sources import make_source

BAD_SCHEDULE = [{"field": "spec.schedule", "message": "end of range (61) above maximum (59)"}]


class Hands:
    """A clock that a test moves."""

    seconds = 0.0

    def monotonic(self):
        return self.seconds


class FakeApi:
    """An API server that stores what it is given, unless it refuses."""

    def __init__(self, *, refuses=None):
        self.refuses = refuses
        self.asked = []

    async def apply(self, path, body):
        self.asked.append("apply")
        if self.refuses is not None:
            raise self.refuses
        return stored(body)

    async def merge(self, path, patch):
        self.asked.append("merge")
        return stored(make_cronjob())


def stored(body):
    return body | {"metadata": body["metadata"] | {"uid": "c", "resourceVersion": "9"}}


@pytest.fixture
def clock():
    return Hands()


def applier(api, clock, found=None):
    cache = WatchCache()
    if found is not None:
        cache.put(CRONJOB, found)
    applier = CronJobApplier(api, cache, SETTINGS, clock=clock)
    source = make_source(uid=UID)
    return lambda: asyncio.run(applier.apply(source))


def edited():
    found = make_cronjob()
    found["spec"]["schedule"] = "1 1 1 1 *"
    return found


def test_what_is_refused_for_good_is_asked_again_after_a_while_and_not_before(clock):
    api = FakeApi(refuses=ApiError(422, "no", causes=BAD_SCHEDULE))
    apply = applier(api, clock, edited())

    first, again = apply(), apply()
    assert first.refusal == again.refusal
    assert (first.refusal.reason, first.refusal.final) == ("InvalidSchedule", True)
    assert api.asked == ["apply"]

    clock.seconds = REFUSED_SECONDS
    api.refuses = None
    assert apply().refusal is None


@pytest.mark.parametrize(("code", "reason"), [(400, "RefusedByCluster"), (403, "Forbidden")])
def test_what_admission_refuses_is_told_and_asked_again_at_the_next_look(clock, code, reason):
    api = FakeApi(refuses=ApiError(code, "denied by the policy no-cronjobs"))
    apply = applier(api, clock, edited())

    refusals = [apply().refusal for _ in range(2)]

    assert [(each.reason, each.final) for each in refusals] == [(reason, False)] * 2
    assert "no-cronjobs" in refusals[0].message
    assert api.asked == ["apply", "apply"]


@pytest.mark.parametrize("code", [409, 429, 500])
def test_what_passes_is_no_refusal(clock, code):
    apply = applier(FakeApi(refuses=ApiError(code, "later")), clock, edited())

    with pytest.raises(ApiError):
        apply()


def test_what_is_in_step_is_not_written(clock):
    api = FakeApi()

    assert applier(api, clock, make_cronjob())().event is None
    assert api.asked == []


def test_what_applying_leaves_is_removed(clock):
    class Sticky(FakeApi):
        async def apply(self, path, body):
            await super().apply(path, body)
            return edited()

    api = Sticky()

    applied = applier(api, clock, edited())()

    assert api.asked == ["apply", "merge"]
    assert applied.cronjob["spec"] == make_cronjob()["spec"]
