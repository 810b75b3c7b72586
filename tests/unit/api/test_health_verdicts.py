from __future__ import annotations

import pytest

from cryptosource_api.health.queries import Verdict, judge, overall

GOOD = {
    "suspended": False,
    "running": False,
    "status": "success",
    "reason": "Completed",
    "message": None,
    "age_seconds": 10,
    "max_age_seconds": 900,
}
NEVER = {"status": None, "reason": None, "age_seconds": None}


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, "ok", None),
        ({"running": True}, "ok", None),
        ({"max_age_seconds": None, "age_seconds": 10**9}, "ok", None),
        ({"age_seconds": 900}, "ok", None),
        ({"age_seconds": 901}, "stale", "Stale"),
        ({"status": "failure", "reason": "UpstreamUnreachable"}, "failing", "UpstreamUnreachable"),
        ({"status": "failure", "reason": None}, "failing", "Failure"),
        ({"status": "interrupted", "reason": "Interrupted"}, "failing", "Interrupted"),
        ({"status": "failure", "reason": "X", "age_seconds": None}, "failing", "X"),
        ({**NEVER}, "never_run", "NeverRun"),
        ({**NEVER, "running": True}, "loading", None),
        ({"suspended": True}, "suspended", None),
        ({"suspended": True, **NEVER}, "suspended", None),
        ({"suspended": True, "status": "failure"}, "suspended", None),
    ],
)
def test_a_source_is_judged_by_its_last_run_and_its_age(changes, state, reason):
    verdict = judge({**GOOD, **changes})

    assert (verdict.state, verdict.reason) == (state, reason)


def test_one_source_with_a_reason_degrades_the_whole():
    fine = {"source": "a", "namespace": "n", "reason": None, "message": None}
    bad = {"source": "b", "namespace": "n", "reason": "Stale", "message": "old"}

    assert overall([])["status"] == "ok"
    assert overall([fine])["status"] == "ok"
    assert overall([fine, bad])["degraded"] == [bad]
    assert overall([fine, bad])["status"] == "degraded"


def test_a_verdict_explains_staleness_in_seconds():
    assert judge({**GOOD, "age_seconds": 1000}) == Verdict(
        state="stale", reason="Stale", message="Last success 1000 s ago; 900 s are allowed"
    )
