"""What the operator's Role allows, and what of it the API server has seen it use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hack.cluster.node.cluster import SingleNode

from support.kube import BATCH
from support.operator_process import RULES
from support.source_objects import NEVER
from support.waits import eventually

Use = tuple[str, str, str]
"""API group, resource with its subresource, verb."""
CREATED = 201


@pytest.fixture
def audit_log(cluster) -> Path:
    """What the API server has done for whom; the gate's cluster is started with it."""
    if not isinstance(cluster, SingleNode) or not cluster.audit_log.exists():
        pytest.skip("this cluster logs no requests: let the tests start a single node themselves")
    return cluster.audit_log


def test_every_right_is_used_and_no_secret_is_touched(
    sources, coins_csv, release, kube, home, audit_log
):
    """A run, one that never starts, an edit by hand, and a name that is taken."""
    account = f"system:serviceaccount:{home}:{release.fullname}-operator"
    sources.create("coins", csv=coins_csv)
    sources.create("huge", csv=coins_csv, resources={"requests": {"cpu": "1000"}})
    with somebody_elses_cronjob(kube, home, "taken"):
        sources.create("taken", csv=coins_csv)
        eventually(
            lambda: sources.condition("Scheduled", "taken") == ("False", "NameTaken"),
            seconds=60,
            what="the taken name is told",
        )
        sources.delete("taken")
    for name, kind in (("coins", "Ready"), ("huge", "RunBlocked")):
        eventually(
            lambda name=name, kind=kind: sources.condition(kind, name)[0] == "True",
            seconds=90,
            what=f"{name} is {kind}, not {sources.status(name)}",
        )
    sources.edit_cronjob("coins", schedule="1 1 1 1 *")
    eventually(
        lambda: sources.cronjob("coins")["spec"]["schedule"] == NEVER, what="the edit is reverted"
    )

    allowed = {
        (group, resource, verb)
        for rule in RULES
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    end_watches(release)
    eventually(lambda: ("batch", "jobs", "watch") in set(uses(audit_log, account)))
    used = set(uses(audit_log, account))
    assert used == allowed
    assert not [one for one in used if one[1].startswith(("secrets", "configmaps"))]


def end_watches(release) -> None:
    """Replace the operator's pod: a watch is logged when it ends."""
    (before,) = release.pods("operator")
    path = f"/api/v1/namespaces/{release.namespace}/pods/{before['metadata']['name']}"
    release.kube.request("DELETE", path)

    def replaced() -> bool:
        pods = release.pods("operator")
        return len(pods) == 1 and pods[0]["metadata"]["uid"] != before["metadata"]["uid"]

    eventually(replaced, seconds=90, what="the operator is replaced")


def uses(log: Path, account: str) -> Iterator[Use]:
    """Yield what an account was allowed to do and did."""
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["user"]["username"] != account or "objectRef" not in event:
                continue
            what = event["objectRef"]
            if event.get("annotations", {}).get("authorization.k8s.io/decision") != "allow":
                yield ("refused", json.dumps(what, sort_keys=True), event["verb"])
                continue
            if "RoleBinding" in event["annotations"]["authorization.k8s.io/reason"]:
                resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
                yield (what.get("apiGroup", ""), resource, event["verb"])
                if event["verb"] == "patch" and event["responseStatus"]["code"] == CREATED:
                    # An apply that makes something needs both rights.
                    yield (what.get("apiGroup", ""), resource, "create")


@contextmanager
def somebody_elses_cronjob(kube, home: str, name: str) -> Iterator[None]:
    """Have a CronJob that is no source's, and never due."""
    path = f"{BATCH}/namespaces/{home}/cronjobs"
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "localhost/none:1"}]}
    job = {"spec": {"template": {"spec": pod}}}
    spec = {"schedule": NEVER, "suspend": True, "jobTemplate": job}
    kube.request("POST", path, {"metadata": {"name": name}, "spec": spec})
    try:
        yield
    finally:
        kube.request("DELETE", f"{path}/{name}")
