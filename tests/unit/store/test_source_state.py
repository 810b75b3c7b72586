"""A source is judged by its last run and by the age of its last success."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptosource_store.source_state import RunHistory, Verdict, judge

GOOD = {
    "suspended": False,
    "running": False,
    "last_status": "success",
    "last_reason": "Completed",
    "last_message": None,
    "age_seconds": 10,
    "max_age_seconds": 900,
}
NEVER = {"last_status": None, "last_reason": None, "age_seconds": None}


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, "ok", None),
        ({"running": True}, "ok", None),
        ({"max_age_seconds": None, "age_seconds": 10**9}, "ok", None),
        ({"age_seconds": 900}, "ok", None),
        ({"age_seconds": 901}, "stale", "Stale"),
        (
            {"last_status": "failure", "last_reason": "UpstreamUnreachable"},
            "failing",
            "UpstreamUnreachable",
        ),
        ({"last_status": "failure", "last_reason": None}, "failing", "Failure"),
        ({"last_status": "interrupted", "last_reason": "Interrupted"}, "failing", "Interrupted"),
        ({"last_status": "failure", "last_reason": "X", "age_seconds": None}, "failing", "X"),
        ({**NEVER}, "never_run", "NeverRun"),
        ({**NEVER, "running": True}, "loading", None),
        ({"suspended": True}, "suspended", None),
        ({"suspended": True, **NEVER}, "suspended", None),
        ({"suspended": True, "last_status": "failure"}, "suspended", None),
    ],
)
def test_a_source_is_judged_by_its_last_run_and_its_age(changes, state, reason):
    verdict = judge(RunHistory(**GOOD | changes))

    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_verdict_explains_staleness_in_seconds():
    assert judge(RunHistory(**GOOD | {"age_seconds": 1000})) == Verdict(
        state="stale", reason="Stale", message="Last success 1000 s ago; 900 s are allowed"
    )


def test_no_statement_but_those_of_the_run_history_says_which_runs_count():
    checkout = Path(__file__).parents[3]
    sources = [
        path
        for part in ("migrations", "api", "operator", "cli", "etl_job")
        for path in (checkout / part).rglob("*.py")
        if "alembic" not in path.parts
    ]

    telling = {path.name for path in sources if ".trigger <>" in path.read_text("utf-8")}

    assert telling == {"counted_runs.py"}
