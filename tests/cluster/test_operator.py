"""One operator with its database: what a person asks for and sees."""

from __future__ import annotations

import uuid

import pytest

from cryptosource_store.statements.claim import NOTIFY, RUNS_CHANNEL
from support.api import api_client
from support.kube import Kube, Refused
from support.source_objects import NEVER
from support.waits import eventually


def scheduled(sources, name="a-source"):
    eventually(
        lambda: sources.condition("Scheduled", name)[0] == "True", what=f"{name} is scheduled"
    )


def test_a_source_gets_a_cronjob_a_first_run_and_a_status(operator, sources):
    made = sources.create(type="CoinGecko", apiKeySecretRef={"name": "gecko"})
    scheduled(sources)

    (cronjob,) = sources.cronjobs()
    (job,) = sources.jobs()
    status = sources.status()
    assert cronjob["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert job["metadata"]["labels"]["cryptosource.io/trigger"] == "create"
    assert status["observedGeneration"] == 1
    assert status["lastHandledRunRequest"] == "create"
    assert status["cronJob"] == "a-source"
    assert sources.condition("Ready") == ("Unknown", "FirstRun")
    assert sources.condition("Reconciling") == ("True", "FirstRun")
    assert "finalizers" not in made["metadata"]
    assert ("Normal", "CronJobCreated") in eventually(sources.events)


def test_no_first_run_where_none_is_wanted(operator, sources):
    sources.create(runOnCreate=False)
    scheduled(sources)

    assert sources.jobs() == []
    assert sources.condition("Ready") == ("True", "AwaitingSchedule")


def test_an_edit_of_the_spec_is_in_force_at_once(operator, sources):
    sources.create(runOnCreate=False)
    scheduled(sources)

    sources.edit(schedule="7 3 1 1 *", timeZone="Europe/Berlin", suspend=True)

    def in_force():
        spec = sources.cronjob()["spec"]
        return (spec["schedule"], spec["timeZone"], spec["suspend"]) == (
            "7 3 1 1 *",
            "Europe/Berlin",
            True,
        )

    eventually(in_force, seconds=5)
    eventually(lambda: sources.condition("Suspended") == ("True", "Suspended"), seconds=5)
    sources.edit(suspend=False)
    eventually(lambda: sources.condition("Suspended") == ("", ""), seconds=5)


def test_an_edit_of_the_cronjob_by_hand_is_reverted(operator, sources):
    sources.create(runOnCreate=False)
    scheduled(sources)

    sources.edit_cronjob(schedule="1 1 1 1 *", suspend=True)

    eventually(lambda: sources.cronjob()["spec"]["schedule"] == NEVER, seconds=5)
    assert sources.cronjob()["spec"]["suspend"] is False
    eventually(lambda: ("Normal", "DriftReverted") in sources.events(), seconds=5)


def test_a_cronjob_that_was_deleted_by_hand_comes_back_without_another_first_run(operator, sources):
    sources.create()
    scheduled(sources)
    before = sources.cronjob()["metadata"]["uid"]

    sources.delete_cronjob()

    eventually(
        lambda: (sources.cronjob() or {}).get("metadata", {}).get("uid") not in {None, before}
    )
    scheduled(sources)
    assert [job["metadata"]["ownerReferences"][0]["uid"] for job in sources.jobs()] in (
        [],
        [before],
    )


@pytest.mark.parametrize(
    ("bad", "reason", "words"),
    [
        ({"schedule": "61 * * * *"}, "InvalidSchedule", "end of range (61) above maximum (59)"),
        ({"timeZone": "Mars/Base"}, "InvalidTimeZone", "unknown time zone Mars/Base"),
    ],
)
def test_a_bad_schedule_stalls_in_the_api_servers_words_and_fixing_it_recovers(
    operator, sources, bad, reason, words
):
    sources.create(runOnCreate=False, **bad)
    eventually(lambda: sources.condition("Stalled") == ("True", reason))
    assert words in sources.message("Stalled")
    assert sources.condition("Ready") == ("False", reason)
    assert sources.cronjobs() == []

    sources.edit(schedule=NEVER, timeZone="Etc/UTC")

    eventually(lambda: sources.condition("Stalled") == ("", ""), seconds=5)
    assert sources.condition("Scheduled") == ("True", "InSync")


def test_a_bad_edit_leaves_the_last_good_schedule_in_force(operator, sources):
    sources.create(runOnCreate=False)
    scheduled(sources)

    sources.edit(schedule="0 25 * * *")

    eventually(lambda: sources.condition("Stalled") == ("True", "InvalidSchedule"))
    assert sources.cronjob()["spec"]["schedule"] == NEVER


def test_a_spec_that_means_nothing_stalls_with_its_field(operator, sources):
    sources.create(csv={"path": "x", "encoding": "utf-88"})

    eventually(lambda: sources.condition("Stalled") == ("True", "InvalidSpec"))
    assert "spec.csv.encoding" in sources.message("Stalled")


def test_somebody_elses_cronjob_is_left_alone(operator, sources, kube):
    container = {"name": "c", "image": "i"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    theirs = {
        "metadata": {"name": "a-source"},
        "spec": {"schedule": "1 2 3 4 *", "jobTemplate": {"spec": {"template": {"spec": spec}}}},
    }
    path = f"/apis/batch/v1/namespaces/{sources.namespace}/cronjobs"
    kube.request("POST", path, theirs)

    sources.create()

    eventually(lambda: sources.condition("Stalled") == ("True", "NameTaken"))
    assert sources.cronjob()["spec"]["schedule"] == "1 2 3 4 *"
    assert sources.jobs() == []


def test_one_token_is_one_run_and_two_tokens_are_two(operator, sources):
    sources.create(runOnCreate=False)
    scheduled(sources)

    for token in ("monday", "monday", "tuesday"):
        sources.ask(token)
        eventually(
            lambda token=token: sources.status().get("lastHandledRunRequest") == token, seconds=5
        )

    jobs = sources.jobs()
    assert sorted(
        job["metadata"]["annotations"]["cryptosource.io/run-request"] for job in jobs
    ) == [
        "monday",
        "tuesday",
    ]


def test_a_suspended_source_still_runs_when_it_is_asked_to(operator, sources):
    sources.create(suspend=True)
    scheduled(sources)
    assert sources.jobs() == []

    sources.ask("now")

    eventually(lambda: len(sources.jobs()) == 1)


INSERT_RUN = """
INSERT INTO etl_runs (run_id, source_id, source_uid, job_name, trigger, status, reason, message,
                      started_at, finished_at, processed, loaded)
SELECT CAST(:run_id AS uuid), source_id, uid, :job, 'schedule', CAST(:status AS text), :reason, :message,
       clock_timestamp() - interval '5 s',
       CASE WHEN :status = 'running' THEN NULL ELSE clock_timestamp() END, :processed, :processed
  FROM sources WHERE uid = :uid
"""


def add_run(store, uid, *, job="j-1", status="success", reason="Completed", processed=10):
    run_id = str(uuid.uuid4())
    values = {"run_id": run_id, "uid": uid, "job": job, "status": status, "reason": reason}
    store(INSERT_RUN, message=f"{reason} words", processed=processed, **values)
    return run_id


def tell(store, uid):
    store(NOTIFY, channel=RUNS_CHANNEL, payload=uid)


def registered(store, uid):
    eventually(lambda: store("SELECT 1 FROM sources WHERE uid = :uid", uid=uid), what="registered")


def test_a_finished_run_is_in_the_status_within_two_seconds(operator, sources, store):
    uid = sources.create(runOnCreate=False)["metadata"]["uid"]
    scheduled(sources)
    registered(store, uid)
    run_id = add_run(store, uid)

    tell(store, uid)

    eventually(lambda: sources.status().get("lastRun", {}).get("id") == run_id, seconds=2)
    status = sources.status()
    assert status["lastRun"]["status"] == "success"
    assert status["totals"]["succeeded"] == 1
    assert sources.condition("Ready") == ("True", "Fresh")
    assert sources.condition("LastRunSucceeded") == ("True", "Completed")


def test_a_failure_that_somebody_has_to_end_stalls_until_a_run_succeeds(operator, sources, store):
    uid = sources.create(runOnCreate=False)["metadata"]["uid"]
    scheduled(sources)
    registered(store, uid)

    add_run(store, uid, status="failure", reason="KeyRejected")
    tell(store, uid)
    eventually(lambda: sources.condition("Stalled") == ("True", "KeyRejected"), seconds=5)
    assert sources.status()["consecutiveFailures"] == 1

    add_run(store, uid, job="j-2")
    tell(store, uid)
    eventually(lambda: sources.condition("Stalled") == ("", ""), seconds=5)
    assert sources.status()["consecutiveFailures"] == 0


def test_a_status_that_was_edited_by_hand_is_rewritten(operator, sources, store, kube):
    uid = sources.create(runOnCreate=False)["metadata"]["uid"]
    scheduled(sources)
    registered(store, uid)
    add_run(store, uid)
    tell(store, uid)
    eventually(lambda: sources.status().get("totals", {}).get("runs") == 1)

    path = f"/apis/cryptosource.io/v1alpha1/namespaces/{sources.namespace}/cryptosources/a-source"
    kube.merge(f"{path}/status", {"status": {"totals": {"runs": 99}, "conditions": []}})

    eventually(lambda: sources.status()["totals"]["runs"] == 1, seconds=10)
    eventually(lambda: sources.condition("Ready") == ("True", "Fresh"), seconds=10)


def test_a_request_through_the_api_becomes_a_job_once(operator, sources, store, module_database):
    uid = sources.create(runOnCreate=False)["metadata"]["uid"]
    scheduled(sources)
    registered(store, uid)
    body = {"source": "a-source", "namespace": sources.namespace}
    with api_client(module_database) as api:

        def ask():
            headers = {"Idempotency-Key": uid}
            return api.request("POST", "/trigger-etl", json=body, headers=headers)

        def looked_at():
            return api.get(asked.headers["location"]).json()["data"]

        asked = ask()
        assert asked.status_code == 202, asked.text
        eventually(lambda: looked_at()["status"] == "accepted", seconds=15)
        assert ask().json()["data"] == asked.json()["data"]
        found = looked_at()

    (job,) = sources.jobs()
    assert [run["job_name"] for run in found["runs"]] == [job["metadata"]["name"]]
    assert found["answered_by"].startswith("operator/")
    assert job["metadata"]["labels"]["cryptosource.io/trigger"] == "api"


def test_a_suspended_source_is_not_run_through_the_api(operator, sources, store, module_database):
    uid = sources.create(runOnCreate=False, suspend=True)["metadata"]["uid"]
    scheduled(sources)
    registered(store, uid)

    with api_client(module_database) as api:
        body = {"source": "a-source", "namespace": sources.namespace}
        refused = api.request("POST", "/trigger-etl", json=body)

    assert (refused.status_code, sources.jobs()) == (409, [])


WAITING = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}}
KILLED = {
    "state": {
        "terminated": {
            "exitCode": 137, "reason": "OOMKilled",
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z",
        }
    }
}  # fmt: skip


def container_status(state):
    return {
        "name": "etl", "image": "x", "imageID": "", "ready": False, "restartCount": 0, **state,
    }  # fmt: skip


def test_what_keeps_a_pod_from_starting_is_a_condition(operator, sources):
    sources.create()
    (pod,) = eventually(sources.pods)

    sources.tell_pod(pod, {"containerStatuses": [container_status(WAITING)]})

    eventually(lambda: sources.condition("RunBlocked") == ("True", "ImagePullBackOff"), seconds=30)
    assert "no such tag" in sources.message("RunBlocked")
    assert sources.condition("Ready") == ("False", "ImagePullBackOff")


def test_an_unschedulable_pod_is_a_condition(operator, sources):
    sources.create()
    (pod,) = eventually(sources.pods)
    condition = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes",
    }  # fmt: skip

    sources.tell_pod(pod, {"conditions": [condition]})

    eventually(lambda: sources.condition("RunBlocked") == ("True", "Unschedulable"), seconds=30)


def test_a_run_that_was_killed_for_its_memory_is_told(operator, sources):
    sources.create()
    (pod,) = eventually(sources.pods)

    sources.tell_pod(pod, {"phase": "Failed", "containerStatuses": [container_status(KILLED)]})

    eventually(lambda: sources.condition("LastRunSucceeded") == ("False", "OOMKilled"), seconds=30)


def test_a_job_over_its_deadline_is_told(operator, sources):
    sources.create(activeDeadlineSeconds=10)

    eventually(
        lambda: sources.condition("LastRunSucceeded") == ("False", "DeadlineExceeded"), seconds=60
    )


def test_deleting_a_source_takes_its_children_with_it(operator, sources):
    sources.create()
    scheduled(sources)

    sources.delete()

    eventually(lambda: not sources.get() and not sources.cronjobs() and not sources.jobs())


def test_a_source_made_again_under_its_name_runs_again(operator, sources):
    first = sources.create()["metadata"]["uid"]
    scheduled(sources)
    sources.delete()
    second = sources.create()["metadata"]["uid"]

    scheduled(sources)

    def owner():
        cronjob = sources.cronjob()
        return cronjob and cronjob["metadata"]["ownerReferences"][0]["uid"]

    assert first != second
    eventually(lambda: owner() == second)
    labels = [job["metadata"]["labels"] for job in sources.jobs()]
    assert [each["cryptosource.io/source-uid"] for each in labels].count(second) == 1


def test_nothing_is_written_at_rest(operator, sources, kube):
    sources.create(runOnCreate=False)
    scheduled(sources)
    before = sources.get()["metadata"]["resourceVersion"]
    writes = operator.metric("cryptosource_operator_reconcile_total")

    # A change that asks for nothing is looked at, and that is all.
    path = f"/apis/cryptosource.io/v1alpha1/namespaces/{sources.namespace}/cryptosources/a-source"
    edited = kube.merge(path, {"metadata": {"annotations": {"seen": "yes"}}})

    eventually(lambda: operator.metric("cryptosource_operator_reconcile_total") > writes)
    assert edited["metadata"]["resourceVersion"] != before
    assert sources.get()["metadata"]["resourceVersion"] == edited["metadata"]["resourceVersion"]


def test_probes_and_metrics_answer(operator):
    assert operator.get("/healthz").text == "ok"
    assert operator.get("/readyz").text == "ok"
    assert operator.metric("cryptosource_operator_database_up") == 1
    assert operator.metric("cryptosource_operator_watch_missed_total") == 0


def test_the_operator_has_no_access_to_secrets(operator_kubeconfig, space):
    kube = Kube(operator_kubeconfig)
    try:
        for path in ("secrets", "configmaps", "secrets/gecko"):
            with pytest.raises(Refused, match="forbidden"):
                kube.request("GET", f"/api/v1/namespaces/{space}/{path}")
    finally:
        kube.http.close()


def test_the_operator_says_nothing_is_wrong(operator):
    assert '"level": "ERROR"' not in operator.logs
