from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd.v1alpha1 import CryptoSourceStatus
from cryptosource_operator.object_diff import merge_patch
from cryptosource_operator.observed_state import condition_of
from cryptosource_operator.source_facts import CheckpointFacts, PodTrouble
from cryptosource_operator.status import STATUS_BYTES, has_new_facts, summarize
from cryptosource_store.reasons import RunStatus
from support.operators import NOW, ago, make_history, make_job, make_run, make_state

RUNNING = make_run(
    id="2", job_name="job-2", status=RunStatus.RUNNING, reason="", message="", finished_at=None,
    started_at=ago(20), processed=500,
)  # fmt: skip


def test_a_status_tells_runs_checkpoint_and_times():
    status = summarize(make_state(history=make_history(make_run(), make_run(id="0"))))

    assert status["observedGeneration"] == 2
    assert status["cronJob"] == "a-source"
    assert status["lastScheduleTime"] == "2026-03-01T11:55:00Z"
    assert status["nextScheduleTime"] == "2026-03-01T12:05:00Z"
    assert status["lastSuccessTime"] == "2026-03-01T11:59:00Z"
    assert status["lastHandledRunRequest"] == "create"
    assert status["lastRun"]["durationSeconds"] == 10.0
    assert status["lastRun"]["loaded"] == 2000
    assert status["checkpoint"]["cursor"] == {"page": 3}
    assert status["totals"] == {"runs": 2, "succeeded": 2, "failed": 0, "processed": 4000}
    assert [run["id"] for run in status["recentRuns"]][1] == "0"


def test_a_status_is_what_the_model_says():
    for state in (
        make_state(),
        make_state(history=None),
        make_state(history=make_history(RUNNING)),
        make_state(cronjob=None, history=make_history()),
    ):
        CryptoSourceStatus.model_validate(summarize(state))


def test_the_same_situation_gives_the_same_status_and_so_no_write():
    first = summarize(make_state())
    second = summarize(make_state(old=first))

    assert merge_patch(first, second) == {}


def test_a_condition_keeps_the_time_at_which_its_status_changed():
    before = summarize(make_state(now=ago(30), history=make_history(make_run(finished_at=ago(60)))))

    after = summarize(make_state(old=before, history=make_history()))

    assert condition_of(after, "Scheduled")["lastTransitionTime"] == "2026-03-01T11:59:30Z"
    assert condition_of(after, "Fresh")["lastTransitionTime"] == "2026-03-01T12:00:00Z"


def test_without_postgres_the_last_known_figures_stay():
    before = summarize(make_state())

    after = summarize(make_state(old=before, history=None))

    assert after["lastRun"] == before["lastRun"]
    assert after["totals"] == before["totals"]
    assert condition_of(after, "DatabaseUnavailable")["status"] == "True"


def test_a_run_that_was_killed_is_told_before_its_row_is():
    trouble = PodTrouble(job_name="job-2", reason="OOMKilled", message="memory", ended_at=ago(4))
    status = summarize(
        make_state(
            history=make_history(RUNNING, consecutive_failures=1),
            trouble=trouble,
            jobs=(make_job(name="job-2", failed_pods=1),),
        )
    )

    assert status["lastRun"]["status"] == "interrupted"
    assert status["lastRun"]["reason"] == "OOMKilled"
    assert status["lastRun"]["finishedAt"] == "2026-03-01T11:59:56Z"
    assert status["consecutiveFailures"] == 2
    assert status["lastFailureTime"] == "2026-03-01T11:59:56Z"


def test_a_suspended_source_has_no_next_run():
    assert "nextScheduleTime" not in summarize(make_state(spec={"suspend": True}))


def test_progress_is_no_new_fact_and_an_end_is():
    running = summarize(make_state(history=make_history(RUNNING, make_run())))
    further = make_run(**{**fields(RUNNING), "processed": 900})
    on = summarize(make_state(history=make_history(further, make_run()), old=running))
    done = make_run(**{**fields(RUNNING), "status": RunStatus.SUCCESS, "finished_at": NOW})
    ended = summarize(make_state(history=make_history(done, make_run()), old=running))

    assert not has_new_facts(running, on)
    assert merge_patch(running, on)
    assert has_new_facts(running, ended)


def fields(run):
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


HUGE = st.text(min_size=0, max_size=4000)


@given(
    message=HUGE,
    reason=st.sampled_from(["Completed", "A" * 64]),
    cursor=st.one_of(
        st.dictionaries(st.text(max_size=40), HUGE, max_size=40),
        st.lists(st.integers(), max_size=4000),
        st.none(),
    ),
)
def test_a_status_stays_small_whatever_a_source_does(message, reason, cursor):
    runs = [make_run(id=str(number) * 36, message=message, reason=reason) for number in range(10)]
    checkpoint = CheckpointFacts(
        cursor=cursor, records_committed=1, observed_at=NOW, updated_at=NOW
    )

    status = summarize(make_state(history=make_history(*runs, checkpoint=checkpoint)))

    assert len(json.dumps(status, ensure_ascii=False).encode()) <= STATUS_BYTES
    assert all(len(found["message"]) <= 256 for found in status["conditions"])
    assert len(status["lastRun"].get("message", "")) <= 256


def test_a_long_cursor_is_shown_by_its_short_members():
    checkpoint = CheckpointFacts(
        cursor={"epoch": 4, "ids": ["x" * 50] * 100, "page": 7, "none": None},
        records_committed=1, observed_at=None, updated_at=None,
    )  # fmt: skip

    status = summarize(make_state(history=make_history(make_run(), checkpoint=checkpoint)))

    assert status["checkpoint"]["cursor"] == {"epoch": 4, "page": 7}
