"""What Argo CD would say of statuses as the operator writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from cryptosource_operator.source_facts import Refusal
from cryptosource_operator.status import summarize
from cryptosource_store.reasons import Reason, RunStatus
from support.operators import ago, make_history, make_job, make_run, make_state

SCRIPTS = Path(__file__).parents[3] / "docs" / "argocd"
RESOURCE = {"metadata": {"name": "a", "generation": 2}, "spec": {"suspend": False}}
FAILED = make_run(status=RunStatus.FAILURE, reason=Reason.KEY_REJECTED, message="the key")


def lua(script: str, resource: dict[str, Any]) -> Any:
    """Run a script with Argo CD's `obj`, in the Lua it has."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals().obj = runtime.table_from(resource, recursive=True)
    return runtime.execute(script)


def health(resource: dict[str, Any]) -> tuple[str, str]:
    found = lua((SCRIPTS / "health.lua").read_text("utf-8"), resource)
    return found["status"], found["message"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (make_state(), "Healthy"),
        (make_state(spec={"suspend": True}), "Suspended"),
        (make_state(history=make_history(FAILED)), "Degraded"),
        (
            make_state(refusal=Refusal(reason="InvalidSchedule", message="m", final=True)),
            "Degraded",
        ),
        (
            make_state(history=make_history(make_run(finished_at=ago(1e6), started_at=ago(1e6)))),
            "Degraded",
        ),
        (make_state(history=make_history(), jobs=(make_job(),)), "Progressing"),
        (make_state(cronjob=None), "Progressing"),
    ],
    ids=["well", "suspended", "key rejected", "bad schedule", "stale", "first run", "no CronJob"],
)
def test_health_follows_the_operators_conditions(state, expected):
    status = summarize(state)

    found, message = health(RESOURCE | {"status": status})

    assert found == expected
    assert message in {one["message"] for one in status["conditions"]}


@pytest.mark.parametrize("status", [None, {"observedGeneration": -1}, {"observedGeneration": 1}])
def test_a_generation_that_the_operator_has_not_seen_is_waited_for(status):
    well = summarize(make_state()) | (status or {})
    resource = RESOURCE | ({"status": well} if status else {})

    assert health(resource) == ("Progressing", "Waiting for the operator")


@pytest.mark.parametrize("suspended", [False, True])
def test_one_of_suspend_and_resume_can_be_chosen(suspended):
    script = yaml.safe_load((SCRIPTS / "actions.yaml").read_text("utf-8"))["discovery.lua"]

    actions = lua(script, RESOURCE | {"spec": {"suspend": suspended}})

    disabled = {name: bool(actions[name]["disabled"]) for name in actions}
    assert disabled == {"run-now": False, "suspend": suspended, "resume": not suspended}


@pytest.mark.parametrize("annotations", [{}, {"annotations": {"kept": "yes"}}])
def test_actions_change_what_the_operator_looks_at(annotations):
    document = yaml.safe_load((SCRIPTS / "actions.yaml").read_text("utf-8"))
    scripts = {one["name"]: one["action.lua"] for one in document["definitions"]}
    resource = RESOURCE | {"metadata": RESOURCE["metadata"] | annotations}

    asked = lua(scripts["run-now"], resource)["metadata"]["annotations"]

    assert asked["cryptosource.io/run-requested-at"].endswith("Z")
    assert asked["kept"] == annotations.get("annotations", {}).get("kept")
    assert lua(scripts["suspend"], resource)["spec"]["suspend"] is True
    assert lua(scripts["resume"], resource)["spec"]["suspend"] is False
