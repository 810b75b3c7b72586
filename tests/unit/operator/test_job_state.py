from __future__ import annotations

import pytest

from cryptosource_operator.job_state import job_facts, pod_trouble
from cryptosource_operator.names import TOKEN
from cryptosource_operator.pod_inspector import job_to_inspect
from cryptosource_store.reasons import RunStatus
from support.operators import NOW, ago, make_history, make_job, make_run


def job(conditions=(), **status):
    return {
        "metadata": {
            "name": "j", "uid": "u", "creationTimestamp": "2026-03-01T11:00:00Z",
            "annotations": {TOKEN: "t"},
        },
        "status": {"conditions": list(conditions), **status},
    }  # fmt: skip


def condition(kind, reason=""):
    return {
        "type": kind, "status": "True", "reason": reason, "message": "words",
        "lastTransitionTime": "2026-03-01T11:10:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("document", "active", "failure"),
    [
        (job(), True, ""),
        (job(ready=1), True, ""),
        (job([condition("Complete")]), False, ""),
        (job([condition("SuccessCriteriaMet")]), False, ""),
        (job([condition("Failed", "DeadlineExceeded")]), False, "DeadlineExceeded"),
        (job([condition("FailureTarget", "PodFailurePolicy")]), False, "PodFailurePolicy"),
        (job([condition("Suspended")]), True, ""),
        ({"metadata": job()["metadata"]}, True, ""),
    ],
)
def test_a_job_is_under_way_or_has_ended_and_says_why(document, active, failure):
    facts = job_facts(document)

    assert (facts.active, facts.failure, facts.token) == (active, failure, "t")


def pod(created="2026-03-01T11:00:00Z", *, conditions=(), **state):
    return {
        "metadata": {"creationTimestamp": created},
        "status": {"conditions": list(conditions), "containerStatuses": [{"state": state}]},
    }


UNSCHEDULABLE = {
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes",
}  # fmt: skip
DISRUPTED = {"type": "DisruptionTarget", "status": "True"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (pod(waiting={"reason": "ImagePullBackOff", "message": "no tag"}), "ImagePullBackOff"),
        (pod(waiting={"reason": "ErrImagePull"}), "ErrImagePull"),
        (pod(waiting={"reason": "CreateContainerConfigError"}), "CreateContainerConfigError"),
        (pod(waiting={"reason": "ContainerCreating"}), None),
        (pod(conditions=[UNSCHEDULABLE]), "Unschedulable"),
        (pod(running={}), None),
        (pod(terminated={"exitCode": 0}), None),
        (pod(terminated={"exitCode": 75, "reason": "Error"}), None),
        (pod(terminated={"exitCode": 78, "reason": "Error"}), None),
        (pod(terminated={"exitCode": 137, "reason": "OOMKilled"}), "OOMKilled"),
        (pod(terminated={"exitCode": 137, "reason": "Error"}), "Killed"),
        (pod(terminated={"exitCode": 1, "reason": "Error"}), "Crashed"),
        (pod(conditions=[DISRUPTED], terminated={"exitCode": 137, "reason": "Error"}), None),
    ],
)
def test_the_trouble_of_a_pod_is_named_and_a_disruption_is_none(given, reason):
    found = pod_trouble([given], job_name="j")

    assert (found and found.reason) == reason


def test_what_ended_an_earlier_pod_is_told_while_the_next_one_runs():
    killed = pod(terminated={"exitCode": 137, "reason": "OOMKilled"})
    running = pod("2026-03-01T11:01:00Z", running={})

    assert pod_trouble([killed, running], job_name="j").reason == "OOMKilled"


def test_no_pods_no_trouble():
    assert pod_trouble([], job_name="j") is None


RUN = make_run(status=RunStatus.RUNNING, finished_at=None)


@pytest.mark.parametrize(
    ("jobs", "history", "looks"),
    [
        ([], None, False),
        ([make_job()], None, True),
        ([make_job(created_at=ago(2))], None, False),
        ([make_job(ready=True)], None, False),
        ([make_job(ready=True, failed_pods=1)], None, True),
        ([make_job()], make_history(RUN), False),
        ([make_job(failed_pods=1)], make_history(RUN), True),
        ([make_job()], make_history(make_run()), False),
        ([make_job(active=False)], make_history(), False),
        ([make_job(active=False, failure="x", finished_at=ago(9))], make_history(), True),
        ([make_job(active=False, failure="x", finished_at=ago(9999))], make_history(), False),
    ],
)
def test_pods_are_looked_at_only_when_nobody_else_can_tell(jobs, history, looks):
    assert (job_to_inspect(jobs, history, NOW) is not None) == looks
