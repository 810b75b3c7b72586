"""Hands on a CronJob: what they add goes, what admission adds stays, and nobody fights for ever."""

from __future__ import annotations

import copy

import pytest

from cryptosource_operator.revert_limiter import MAX_REVERTS
from support.kube import BATCH, Refused
from support.waits import eventually

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
EXTRA = {"name": "STOLEN", "value": "yes"}


@pytest.fixture
def cronjob(operator, sources):
    """The CronJob of a source, as it is meant to be."""
    sources.create(runOnCreate=False)
    eventually(lambda: sources.condition("Scheduled")[0] == "True")
    return sources.cronjob()


def pod_of(cronjob):
    return cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def env(pod):
    pod["containers"][0]["env"].append(EXTRA)


def container(pod):
    pod["containers"].append({"name": "miner", "image": "miner"})


def init_container(pod):
    pod["initContainers"] = [{"name": "first", "image": "first"}]


def volume(pod):
    pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}})


def toleration(pod):
    pod["tolerations"] = [{"key": "gpu", "operator": "Exists"}]


def host_network(pod):
    pod["hostNetwork"] = True


def node(pod):
    pod["nodeSelector"] = {"disk": "fast"}


ADDITIONS = [env, container, init_container, volume, toleration, host_network, node]


@pytest.mark.parametrize("add", ADDITIONS)
def test_what_hands_add_to_a_cronjob_is_removed(operator, sources, kube, cronjob, add):
    edited = copy.deepcopy(cronjob)
    del edited["metadata"]["resourceVersion"]
    add(pod_of(edited))
    path = f"{BATCH}/namespaces/{sources.namespace}/cronjobs/a-source"
    stored = kube.request("PUT", path, edited)
    assert stored["spec"] != cronjob["spec"]

    eventually(lambda: sources.cronjob()["spec"] == cronjob["spec"], seconds=15)
    eventually(lambda: ("Normal", "DriftReverted") in sources.events(), seconds=15)


def test_nobody_else_can_own_a_cronjob(operator, sources, kube, cronjob):
    (mine,) = cronjob["metadata"]["ownerReferences"]
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u", "controller": False}
    path = f"{BATCH}/namespaces/{sources.namespace}/cronjobs/a-source"
    kube.merge(path, {"metadata": {"ownerReferences": [mine, mine | other]}})

    eventually(
        lambda: sources.cronjob()["metadata"]["ownerReferences"] == [mine],
        seconds=15,
    )


@pytest.mark.parametrize("part", ["labels", "ownerReferences"])
def test_a_cronjob_that_lost_its_labels_or_its_owner_gets_them_back(
    operator, sources, kube, cronjob, part
):
    path = f"{BATCH}/namespaces/{sources.namespace}/cronjobs/a-source"
    kube.merge(path, {"metadata": {part: None}})

    eventually(
        lambda: sources.cronjob()["metadata"].get(part) == cronjob["metadata"][part], seconds=15
    )
    assert sources.condition("Scheduled") == ("True", "InSync")


def test_a_value_that_the_api_server_spells_otherwise_is_no_drift(operator, sources):
    sources.create(runOnCreate=False, resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}})
    eventually(lambda: sources.condition("Scheduled")[0] == "True")
    assert pod_of(sources.cronjob())["containers"][0]["resources"]["limits"]["cpu"] == "500m"

    # What Kubernetes itself writes to a CronJob is a change of its status.
    path = f"{BATCH}/namespaces/{sources.namespace}/cronjobs/a-source"
    looked = operator.metric("cryptosource_operator_reconcile_total")
    sources.kube.merge(f"{path}/status", {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}})
    eventually(lambda: sources.status().get("lastScheduleTime"), seconds=15)

    assert operator.metric("cryptosource_operator_reconcile_total") > looked
    assert sources.cronjob()["metadata"]["generation"] == 1
    assert ("Normal", "DriftReverted") not in sources.events()


def mutation(space):
    """A policy that adds a toleration to every CronJob of a namespace, and its binding."""
    expression = (
        'JSONPatch{op: "add", path: "/spec/jobTemplate/spec/template/spec/tolerations", '
        'value: [{"key": "batch", "operator": "Exists"}]}'
    )
    rule = {
        "apiGroups": ["batch"],
        "apiVersions": ["v1"],
        "resources": ["cronjobs"],
        "operations": ["CREATE", "UPDATE"],
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": space}}
    policy = {
        "metadata": {"name": space},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "reinvocationPolicy": "Never",
            "mutations": [
                {"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{expression}]"}}
            ],
        },
    }
    return policy, {"metadata": {"name": space}, "spec": {"policyName": space}}


@pytest.fixture
def mutating(kube, space):
    """Admission that adds a toleration to the CronJobs of the test's namespace."""
    policy, binding = mutation(space)
    kinds = {"mutatingadmissionpolicies": policy, "mutatingadmissionpolicybindings": binding}
    try:
        for kind, body in kinds.items():
            kube.request("POST", f"{ADMISSION}/{kind}", body)
    except Refused as refused:
        pytest.skip(f"this API server has no mutating admission policies: {refused}")
    cronjob = {"metadata": {"name": "probe"}, "spec": PROBE}
    path = f"{BATCH}/namespaces/{space}/cronjobs?dryRun=All"
    eventually(lambda: "tolerations" in pod_of(kube.request("POST", path, cronjob)))
    yield
    for kind in kinds:
        kube.request("DELETE", f"{ADMISSION}/{kind}/{space}")


POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
PROBE = {"schedule": "1 1 1 1 *", "jobTemplate": {"spec": {"template": {"spec": POD}}}}


def test_what_admission_adds_stays_without_a_word_and_without_another_write(
    operator, mutating, sources, cronjob
):
    assert pod_of(cronjob)["tolerations"] == [{"key": "batch", "operator": "Exists"}]

    sources.edit_cronjob(schedule="1 1 1 1 *")

    eventually(lambda: sources.cronjob()["spec"] == cronjob["spec"], seconds=15)
    eventually(lambda: ("Normal", "DriftReverted") in sources.events(), seconds=15)
    messages = [
        event["message"]
        for event in sources.kube.items(f"/api/v1/namespaces/{sources.namespace}/events")
        if event["reason"] == "DriftReverted"
    ]
    assert all("tolerations" not in message for message in messages)
    assert sources.cronjob()["metadata"]["generation"] == 3
    assert sources.condition("Scheduled") == ("True", "InSync")


def test_who_edits_again_and_again_wins_and_a_condition_says_so(operator, sources, cronjob):
    schedule = cronjob["spec"]["schedule"]
    for number in range(MAX_REVERTS):
        sources.edit_cronjob(schedule=f"{number} 1 1 1 *")
        eventually(lambda: sources.cronjob()["spec"]["schedule"] == schedule, seconds=15)

    sources.edit_cronjob(schedule="59 1 1 1 *")

    eventually(lambda: sources.condition("Scheduled") == ("False", "Contested"), seconds=15)
    assert "spec.schedule" in sources.message("Scheduled")
    assert sources.condition("Ready") == ("False", "Contested")
    assert sources.cronjob()["spec"]["schedule"] == "59 1 1 1 *"
    eventually(lambda: ("Warning", "Contested") in sources.events(), seconds=15)
    # A change that was asked for is no contest.
    sources.edit(schedule="2 2 2 2 *")
    eventually(lambda: sources.cronjob()["spec"]["schedule"] == "2 2 2 2 *", seconds=15)
    eventually(lambda: sources.condition("Scheduled") == ("True", "InSync"), seconds=15)


def test_a_copy_of_a_cronjob_is_left_alone(operator, sources, kube, cronjob):
    meta = {key: cronjob["metadata"][key] for key in ("labels", "ownerReferences")}
    spec = cronjob["spec"] | {"suspend": True}
    kube.request(
        "POST",
        f"{BATCH}/namespaces/{sources.namespace}/cronjobs",
        {"metadata": meta | {"name": "copy"}, "spec": spec},
    )
    sources.edit(schedule="3 3 3 3 *")

    eventually(lambda: sources.cronjob()["spec"]["schedule"] == "3 3 3 3 *", seconds=15)
    assert sources.cronjob("copy")["spec"]["suspend"] is True
    assert sources.condition("Scheduled") == ("True", "InSync")


def test_a_quota_against_jobs_is_a_condition_and_stops_nothing_else(operator, sources, kube):
    path = f"/api/v1/namespaces/{sources.namespace}/resourcequotas"
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    kube.request("POST", path, quota)
    eventually(lambda: kube.get(f"{path}/none").get("status", {}).get("hard"))

    sources.create()

    eventually(lambda: sources.condition("RunBlocked") == ("True", "JobRefused"), seconds=15)
    assert "quota" in sources.message("RunBlocked")
    assert sources.condition("Scheduled") == ("True", "InSync")
    sources.edit(schedule="4 4 4 4 *")
    eventually(lambda: sources.status().get("observedGeneration") == 2, seconds=15)
