"""Each row of the table, by the state that it is for."""

from __future__ import annotations

import pytest

from cryptosource_operator.conditions import OWNED, TABLE, deciding_row
from cryptosource_operator.source_facts import PodTrouble, Refusal
from cryptosource_operator.source_parser import Readable, Unreadable
from cryptosource_store.reasons import RunStatus
from support.operators import UID, ago, make_history, make_job, make_run, make_state
from support.sources import make_source

FAILED = make_run(
    status=RunStatus.FAILURE,
    reason="UpstreamError",
    message="503",
    started_at=ago(25),
    finished_at=ago(20),
)
REJECTED = make_run(
    status=RunStatus.FAILURE,
    reason="KeyRejected",
    message="401",
    started_at=ago(25),
    finished_at=ago(20),
)
OLD = make_run(started_at=ago(5000), finished_at=ago(4990))
RUNNING = make_run(status=RunStatus.RUNNING, reason="", message="", finished_at=None)
NO_IMAGE = PodTrouble(job_name="a-source-1", reason="ImagePullBackOff", message="no such tag")
KILLED = PodTrouble(
    job_name="a-source-9", reason="OOMKilled", message="too much memory", ended_at=ago(5)
)
BAD_CRON = Refusal(reason="InvalidSchedule", message="end of range (61)")
REPLACING = Refusal(reason="Replacing", message="waiting", final=False)

# what is so -> the conditions: (type, status, reason)
STATES = {
    "all is well": (
        {},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "True", "Fresh")],
    ),
    "just made": (
        {"cronjob": None, "history": make_history()},
        [("Ready", "Unknown", "Progressing"), ("Scheduled", "Unknown", "Progressing"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet"),
         ("Reconciling", "True", "Progressing")],
    ),
    "first run under way": (
        {"history": make_history(RUNNING), "jobs": (make_job(),)},
        [("Ready", "Unknown", "FirstRun"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet"),
         ("Reconciling", "True", "FirstRun")],
    ),
    "first run when it is due": (
        {"history": make_history(), "spec": {"runOnCreate": False}},
        [("Ready", "True", "AwaitingSchedule"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet")],
    ),
    "first run failed": (
        {"history": make_history(FAILED)},
        [("Ready", "False", "UpstreamError"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "False", "UpstreamError"), ("Fresh", "False", "NeverLoaded"),
         ("Reconciling", "True", "ProgressingWithRetry")],
    ),
    "a run failed and data is fresh": (
        {"history": make_history(FAILED, make_run())},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "False", "UpstreamError"), ("Fresh", "True", "Fresh")],
    ),
    "runs fail and data is stale": (
        {"history": make_history(FAILED, OLD)},
        [("Ready", "False", "UpstreamError"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "False", "UpstreamError"), ("Fresh", "False", "Stale")],
    ),
    "no runs and data is stale": (
        {"history": make_history(OLD)},
        [("Ready", "False", "Stale"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "False", "Stale")],
    ),
    "somebody has to change something": (
        {"history": make_history(REJECTED, make_run())},
        [("Ready", "False", "KeyRejected"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "False", "KeyRejected"), ("Fresh", "True", "Fresh"),
         ("Stalled", "True", "KeyRejected")],
    ),
    "spec that means nothing": (
        {"reading": Unreadable(message="spec.csv.encoding: no such"), "history": make_history()},
        [("Ready", "False", "InvalidSpec"), ("Scheduled", "False", "InvalidSpec"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet"),
         ("Stalled", "True", "InvalidSpec")],
    ),
    "schedule refused": (
        {"refusal": BAD_CRON, "history": make_history(make_run())},
        [("Ready", "False", "InvalidSchedule"), ("Scheduled", "False", "InvalidSchedule"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "True", "Fresh"),
         ("Stalled", "True", "InvalidSchedule")],
    ),
    "waiting for an earlier one": (
        {"refusal": REPLACING, "cronjob": None, "history": make_history()},
        [("Ready", "False", "Replacing"), ("Scheduled", "False", "Replacing"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet"),
         ("Reconciling", "True", "ProgressingWithRetry")],
    ),
    "suspended before any run": (
        {"spec": {"suspend": True}, "history": make_history()},
        [("Ready", "True", "Suspended"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet"),
         ("Suspended", "True", "Suspended")],
    ),
    "suspended for long": (
        {"spec": {"suspend": True}, "history": make_history(OLD)},
        [("Ready", "True", "Suspended"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "False", "Stale"),
         ("Suspended", "True", "Suspended")],
    ),
    "no image, never loaded": (
        {"history": make_history(), "trouble": NO_IMAGE, "jobs": (make_job(name="a-source-1"),)},
        [("Ready", "False", "ImagePullBackOff"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "Unknown", "NoRunYet"), ("Fresh", "Unknown", "NoRunYet"),
         ("Reconciling", "True", "FirstRun"), ("RunBlocked", "True", "ImagePullBackOff")],
    ),
    "no image, data still fresh": (
        {"trouble": NO_IMAGE, "jobs": (make_job(name="a-source-1"),)},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "True", "Fresh"),
         ("RunBlocked", "True", "ImagePullBackOff")],
    ),
    "out of memory": (
        {"history": make_history(make_run()), "trouble": KILLED,
         "jobs": (make_job(name="a-source-9", failed_pods=1),)},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "False", "OOMKilled"), ("Fresh", "True", "Fresh")],
    ),
    "over the deadline": (
        {"history": make_history(), "jobs": (
            make_job(name="j", active=False, failure="DeadlineExceeded", message="too long",
                     finished_at=ago(3)),)},
        [("Ready", "False", "DeadlineExceeded"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "False", "DeadlineExceeded"), ("Fresh", "False", "NeverLoaded"),
         ("Reconciling", "True", "ProgressingWithRetry")],
    ),
    "no database, never loaded": (
        {"history": None},
        [("Ready", "Unknown", "DatabaseUnavailable"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "Unknown", "DatabaseUnavailable"),
         ("Fresh", "Unknown", "DatabaseUnavailable"),
         ("DatabaseUnavailable", "True", "DatabaseUnavailable")],
    ),
    "no database, loaded a minute ago": (
        {"history": None, "old": {"lastSuccessTime": "2026-03-01T11:59:00Z"}},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "Unknown", "DatabaseUnavailable"), ("Fresh", "True", "Fresh"),
         ("DatabaseUnavailable", "True", "DatabaseUnavailable")],
    ),
    "more requests than the plan allows": (
        {"spec": {"coinGecko": {"plan": "Demo"}}},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "True", "Fresh"),
         ("OverQuota", "True", "QuotaExceeded")],
    ),
    "runs longer than their interval": (
        {"spec": {"coinGecko": {"selection": {"top": 20000}}}},
        [("Ready", "True", "Fresh"), ("Scheduled", "True", "InSync"),
         ("LastRunSucceeded", "True", "Completed"), ("Fresh", "True", "Fresh"),
         ("OverQuota", "True", "RunsTooLong")],
    ),
}  # fmt: skip


def conditions_of(state):
    rows = [(kind, deciding_row(kind, state)) for kind in OWNED]
    return [(kind, *row.render(state)[:2]) for kind, row in rows if row is not None]


@pytest.mark.parametrize("name", STATES)
def test_a_situation_has_these_conditions_and_no_others(name):
    facts, expected = STATES[name]

    assert conditions_of(make_state(**facts)) == expected


def test_every_row_of_the_table_decides_some_situation():
    deciding = {
        id(row)
        for facts, _ in STATES.values()
        for kind in OWNED
        for row in TABLE
        if row.condition == kind
        and row
        is next(
            (each for each in TABLE if each.condition == kind and each.when(make_state(**facts))),
            None,
        )
    }
    undecided = [row.condition for row in TABLE if id(row) not in deciding]

    assert undecided == []


@pytest.mark.parametrize("name", STATES)
def test_every_reason_and_message_is_what_an_api_server_takes(name):
    facts, _ = STATES[name]
    state = make_state(**facts)
    for kind in OWNED:
        row = deciding_row(kind, state)
        if row is not None:
            status, reason, message = row.render(state)
            assert status in {"True", "False", "Unknown"}
            assert reason.isalnum()
            assert message


def kstatus(state):
    """Return what kstatus says: it reads Stalled, then Reconciling, then Ready."""
    found = {kind: status for kind, status, _ in conditions_of(state)}
    if found.get("Stalled") == "True":
        return "Failed"
    if found.get("Reconciling") == "True" or found["Ready"] != "True":
        return "InProgress"
    return "Current"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("all is well", "Current"),
        ("just made", "InProgress"),
        ("first run under way", "InProgress"),
        ("first run when it is due", "Current"),
        ("first run failed", "InProgress"),
        ("somebody has to change something", "Failed"),
        ("schedule refused", "Failed"),
        ("suspended before any run", "Current"),
    ],
)
def test_helm_and_flux_neither_hang_nor_lie(name, verdict):
    assert kstatus(make_state(**STATES[name][0])) == verdict


def test_who_is_interrupted_and_goes_on_has_not_failed():
    cut = make_run(status=RunStatus.INTERRUPTED, reason="Terminated", finished_at=ago(10))
    history = make_history(cut, make_run(), last_success_at=ago(60))

    going_on = make_state(history=history, jobs=(make_job(),))
    given_up = make_state(history=history)

    assert going_on.outcome.reason == "Completed"
    assert given_up.outcome.reason == "Terminated"


def test_a_failed_job_whose_run_has_spoken_adds_nothing():
    history = make_history(FAILED)
    job = make_job(
        name=FAILED.job_name, active=False, failure="BackoffLimitExceeded", finished_at=ago(1)
    )

    assert make_state(history=history, jobs=(job,)).outcome.reason == "UpstreamError"


def test_changing_the_spec_takes_the_blame_off_until_the_next_run():
    stalled = make_state(history=make_history(REJECTED))
    old = {
        "conditions": [
            {"type": "LastRunSucceeded", "status": "False", "reason": "KeyRejected",
             "observedGeneration": 2},
        ],
        "lastRun": {"finishedAt": "2026-03-01T11:59:40Z"},
    }  # fmt: skip

    same = make_state(history=make_history(REJECTED), old=old)
    edited = make_state(history=make_history(REJECTED), old=old, generation=3)
    again = make_state(
        history=make_history(make_run(**vars_of(REJECTED) | {"finished_at": ago(2)})),
        old=old,
        generation=3,
    )

    assert [s.permanent is not None for s in (stalled, same, edited, again)] == [
        True,
        True,
        False,
        True,
    ]


def vars_of(run):
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


def test_a_schedule_in_doubt_is_not_counted():
    source = make_source(uid=UID, coinGecko={"plan": "Demo"})
    state = make_state(reading=Readable(source=source, schedule_problem="61 is not within 0-59"))

    assert state.over_quota == ""
