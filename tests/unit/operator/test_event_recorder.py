from __future__ import annotations

import asyncio

import pytest

from cryptosource_operator.api_client import ApiError
from cryptosource_operator.event_recorder import (
    MAX_WAITING,
    QUIET_SECONDS,
    EventDraft,
    EventRecorder,
    status_events,
)
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.source_facts import Refusal
from cryptosource_operator.status import summarize
from cryptosource_store.reasons import RunStatus
from support.operators import NOW, UID, ago, make_history, make_run, make_state
from support.sources import make_manifest

FAILED = make_run(status=RunStatus.FAILURE, reason="UpstreamError", finished_at=ago(5))
WELL = make_state()
STALLED = make_state(refusal=Refusal(reason="InvalidSchedule", message="61"))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (WELL, WELL, []),
        (WELL, STALLED, [("InvalidSchedule", True)]),
        (STALLED, STALLED, []),
        (STALLED, WELL, [("Recovered", False)]),
        (WELL, make_state(history=make_history(FAILED, make_run())), [("UpstreamError", True)]),
        (
            make_state(history=make_history(FAILED, make_run())),
            make_state(history=make_history(make_run(finished_at=NOW), FAILED)),
            [("RunSucceededAgain", False)],
        ),
        (make_state(history=make_history()), WELL, [("FirstRunSucceeded", False)]),
        (
            WELL,
            make_state(history=make_history(make_run(started_at=ago(9999), finished_at=ago(9000)))),
            [("Stale", True)],
        ),
        (WELL, make_state(spec={"suspend": True}), [("Suspended", False)]),
        (make_state(spec={"suspend": True}), WELL, [("Resumed", False)]),
        (WELL, make_state(spec={"coinGecko": {"plan": "Demo"}}), [("QuotaExceeded", True)]),
        (WELL, make_state(history=None), []),
    ],
)
def test_a_change_is_told_once_and_time_alone_is_not(before, after, told):
    found = status_events(summarize(before), summarize(after))

    assert [(each.reason, each.warning) for each in found] == told


class FakeApi:
    def __init__(self, error=None):
        self.events, self.error = [], error

    async def create(self, path, event):
        if self.error is not None:
            raise self.error
        self.events.append(event)
        return event


class FakeClock:
    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return NOW

    def monotonic(self):
        return self.seconds


def tell(api, clock, times, words="same"):
    recorder = EventRecorder(api, clock, Metrics(), identity="pod-1")
    body = make_manifest(namespace="crypto", uid=UID)

    async def scenario():
        writing = asyncio.create_task(recorder.run())
        for seconds in times:
            clock.seconds = seconds
            recorder.record(body, EventDraft(reason="Stale", message=words, warning=True))
        await asyncio.wait_for(recorder.flush(), 5)
        assert not writing.done()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    asyncio.run(scenario())


def test_the_same_words_are_written_once_in_a_while():
    api = FakeApi()

    tell(api, FakeClock(), [0, 1, 2, QUIET_SECONDS - 1, QUIET_SECONDS + 1])

    assert len(api.events) == 2


def test_an_event_says_who_it_is_about_and_who_says_it():
    api = FakeApi()

    tell(api, FakeClock(), [0], words="w" * 5000)

    (event,) = api.events
    assert event["involvedObject"]["uid"] == UID
    assert event["type"] == "Warning"
    assert event["reportingInstance"] == "pod-1"
    assert len(event["message"]) <= 256


@pytest.mark.parametrize("code", [409, 403, 500])
def test_an_event_that_cannot_be_written_stops_nothing(code):
    tell(FakeApi(ApiError(code, "no")), FakeClock(), [0])


def test_a_flood_of_events_is_cut_and_nobody_waits_for_it():
    async def scenario():
        recorder = EventRecorder(FakeApi(), FakeClock(), Metrics(), identity="pod-1")
        for number in range(MAX_WAITING + 5):
            body = make_manifest(namespace="crypto", uid=f"uid-{number}")
            recorder.record(body, EventDraft(reason="Stale", message="same"))
        return recorder

    recorder = asyncio.run(scenario())

    assert recorder.waiting == MAX_WAITING
