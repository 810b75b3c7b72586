"""The operator dies, is doubled, is away, loses its API server or its Postgres."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime

import httpx
import pytest

from support import postgres as postgres_support
from support.api import api_client
from support.kube import namespace
from support.operator_process import operating
from support.source_objects import NEVER, Sources
from support.waits import eventually

MAX_RECONCILE = 12
"""Calls that a first reconcile makes at most; a test proves that it makes fewer."""
WRITES = 4
"""Of a new source: CronJob, first run, status and event."""


def far_off():
    """Return a schedule of 300 runs a day of which none is due within ten hours.

    A first run is not made up for once the schedule has made one.
    """
    hour = datetime.now(UTC).hour + 11
    return f"* {','.join(str((hour + more) % 24) for more in range(5))} * * *"


def converged(sources):
    return sources.condition("Scheduled") == ("True", "InSync")


def test_killed_after_any_call_of_a_reconcile_there_is_one_cronjob_one_run_and_a_true_status(
    kube, operator_kubeconfig, tmp_path
):
    with ExitStack() as stack:
        places, crashes = [], 0
        for calls in range(1, MAX_RECONCILE + 1):
            sources = Sources(kube, stack.enter_context(namespace(kube, f"crash-{calls}")))
            places.append(sources)
            sources.create(coinGecko={"plan": "Demo"}, schedule=far_off(), suspend=False)
            crash = {"CRYPTOSOURCE_OPERATOR_CRASH_AFTER": str(calls)}
            with operating(
                operator_kubeconfig, tmp_path, namespaces=[sources.namespace], wait=False, **crash
            ) as operator:
                eventually(
                    lambda operator=operator, sources=sources: (
                        operator.process.poll() is not None
                        or (converged(sources) and answered(operator) >= WRITES)
                    ),
                    what="it has died or is done",
                )
                if operator.process.poll() is None:
                    break
                assert operator.process.returncode == -9
                crashes += 1
        served = [sources.namespace for sources in places]
        with operating(operator_kubeconfig, tmp_path, namespaces=served):
            for sources in places:
                eventually(lambda sources=sources: converged(sources), what="converged")
                (cronjob,) = sources.cronjobs()
                firsts = [
                    job
                    for job in sources.jobs()
                    if job["metadata"]["labels"]["cryptosource.io/trigger"] == "create"
                ]
                assert len(firsts) == 1
                assert sources.status()["lastHandledRunRequest"] == "create"
                assert sources.status()["cronJob"] == cronjob["metadata"]["name"]
                assert len(set(sources.events())) == len(sources.events())

    assert WRITES <= crashes < MAX_RECONCILE


def answered(operator):
    """Return how many of its writes an operator has had an answer to; 0 when it is dead."""
    try:
        spent = requests(operator)
    except httpx.HTTPError:
        return 0
    return spent["PATCH"] + spent["POST"]


def test_killed_while_it_answers_a_request_the_request_is_answered_once(
    kube, operator_kubeconfig, tmp_path, sources
):
    sources.create(runOnCreate=False)
    options = {"namespaces": [sources.namespace]}
    with operating(operator_kubeconfig, tmp_path, **options):
        eventually(lambda: converged(sources))
    sources.ask("once")
    for calls in range(1, 4):
        crash = {"CRYPTOSOURCE_OPERATOR_CRASH_AFTER": str(calls)}
        with operating(operator_kubeconfig, tmp_path, **options, wait=False, **crash) as operator:
            eventually(lambda operator=operator: operator.process.poll() is not None)

    with operating(operator_kubeconfig, tmp_path, **options):
        eventually(lambda: sources.status().get("lastHandledRunRequest") == "once")

    assert len(sources.jobs()) == 1


def test_killed_between_a_job_and_its_answer_a_request_of_the_api_becomes_one_job(
    operator_kubeconfig, tmp_path, sources, module_database
):
    sources.create(runOnCreate=False)
    options = {"namespaces": [sources.namespace], "database": module_database}
    body = {"source": "a-source", "namespace": sources.namespace}
    with api_client(module_database) as api:
        with operating(operator_kubeconfig, tmp_path, **options):
            eventually(lambda: converged(sources))
            eventually(lambda: sources.condition("Ready")[1] == "AwaitingSchedule")
        answer = api.request("POST", "/trigger-etl", json=body)

        def looked_at():
            return api.get(answer.headers["location"]).json()["data"]

        crash = {"CRYPTOSOURCE_OPERATOR_CRASH_AFTER": "1"}
        with operating(operator_kubeconfig, tmp_path, **options, wait=False, **crash) as operator:
            eventually(lambda: operator.process.poll() is not None)
        assert looked_at()["status"] == "pending"

        with operating(operator_kubeconfig, tmp_path, **options):
            eventually(lambda: looked_at()["status"] == "accepted")
        runs = looked_at()["runs"]

    (job,) = sources.jobs()
    assert [run["job_name"] for run in runs] == [job["metadata"]["name"]]


def test_two_operators_make_one_of_everything_and_leave_each_other_in_peace(
    operator_kubeconfig, tmp_path, sources
):
    options = {"namespaces": [sources.namespace]}
    with (
        operating(operator_kubeconfig, tmp_path, **options) as one,
        operating(operator_kubeconfig, tmp_path, **options) as two,
    ):
        sources.create()
        eventually(lambda: converged(sources))
        sources.ask("a")
        eventually(lambda: sources.status().get("lastHandledRunRequest") == "a")
        sources.edit_cronjob(schedule="1 1 1 1 *")
        eventually(lambda: sources.cronjob()["spec"]["schedule"] == NEVER)
        sources.edit(suspend=True)
        eventually(lambda: sources.condition("Suspended") == ("True", "Suspended"))
        settled = versions(sources)
        # Both look at it once more for a reason that asks for nothing.
        looked = [reconciles(each) for each in (one, two)]
        sources.kube.merge(
            f"/apis/cryptosource.io/v1alpha1/namespaces/{sources.namespace}/cryptosources/a-source",
            {"metadata": {"labels": {"touched": "yes"}}},
        )
        for operator, before in zip((one, two), looked, strict=True):
            eventually(lambda operator=operator, before=before: reconciles(operator) > before)

        assert len(sources.cronjobs()) == 1
        assert len(sources.jobs()) == 2
        assert versions(sources)[1:] == settled[1:]


def reconciles(operator):
    return operator.metric("cryptosource_operator_reconcile_total")


def versions(sources):
    source, cronjob = sources.get(), sources.cronjob()
    return [
        source["metadata"]["resourceVersion"],
        source["status"],
        cronjob["metadata"]["generation"],
    ]


def test_what_happened_while_the_operator_was_away_is_caught_up_with(
    operator_kubeconfig, tmp_path, sources
):
    options = {"namespaces": [sources.namespace]}
    for name in ("kept", "edited", "gone"):
        sources.create(name, runOnCreate=False)
    with operating(operator_kubeconfig, tmp_path, **options):
        for name in ("kept", "edited", "gone"):
            eventually(lambda name=name: sources.condition("Scheduled", name)[0] == "True")

    sources.delete("gone")
    sources.edit("edited", schedule="3 3 3 3 *")
    sources.create("made", runOnCreate=False)
    sources.edit_cronjob("kept", suspend=True)
    eventually(
        lambda: sources.get("gone") is None and sources.cronjob("gone") is None,
        what="a delete works without the operator",
    )

    with operating(operator_kubeconfig, tmp_path, **options):
        eventually(lambda: sources.condition("Scheduled", "made")[0] == "True")
        eventually(lambda: sources.cronjob("edited")["spec"]["schedule"] == "3 3 3 3 *")
        eventually(lambda: sources.cronjob("kept")["spec"]["suspend"] is False)


def test_a_restart_of_the_operator_writes_nothing(operator_kubeconfig, tmp_path, sources):
    options = {"namespaces": [sources.namespace]}
    for number in range(5):
        sources.create(f"source-{number}")
    with operating(operator_kubeconfig, tmp_path, **options):
        for number in range(5):
            name = f"source-{number}"
            eventually(lambda name=name: sources.condition("Scheduled", name)[0] == "True")

    with operating(operator_kubeconfig, tmp_path, **options) as operator:
        eventually(lambda: reconciles(operator) >= 5)
        text = operator.get("/metrics").text

    requests = [line for line in text.splitlines() if "api_requests_total{" in line]
    assert [line for line in requests if 'verb="GET"' not in line] == []


def test_a_source_costs_an_apply_a_status_an_event_and_no_question(
    operator_kubeconfig, tmp_path, sources
):
    options = {"namespaces": [sources.namespace], "CRYPTOSOURCE_RESYNC_SECONDS": "3600"}
    with operating(operator_kubeconfig, tmp_path, **options) as operator:
        before = requests(operator)
        for number in range(5):
            sources.create(f"source-{number}", runOnCreate=False)
        for number in range(5):
            name = f"source-{number}"
            eventually(lambda name=name: sources.condition("Scheduled", name)[0] == "True")
        eventually(lambda: len(sources.events()) == 5)
        spent = requests(operator) - before

    assert spent == {"PATCH": 10, "POST": 5}


def requests(operator):
    """Return how many requests an operator has made, by verb."""
    found = Counter()
    for line in operator.get("/metrics").text.splitlines():
        if "api_requests_total{" in line:
            found[line.partition('verb="')[2].partition('"')[0]] += int(float(line.split()[-1]))
    return found


def test_another_namespaces_sources_are_left_alone(operator_kubeconfig, tmp_path, sources, kube):
    with namespace(kube, "other") as other:
        elsewhere = Sources(kube, other)
        elsewhere.create()
        sources.create()
        with operating(operator_kubeconfig, tmp_path, namespaces=[sources.namespace]):
            eventually(lambda: converged(sources))

        assert elsewhere.status() == {"observedGeneration": -1}
        assert elsewhere.cronjobs() == []


def test_after_a_restart_of_the_api_server_it_goes_on(
    plane, operator_kubeconfig, tmp_path, sources
):
    with operating(operator_kubeconfig, tmp_path, namespaces=[sources.namespace]) as operator:
        sources.create("before", runOnCreate=False)
        eventually(lambda: sources.condition("Scheduled", "before")[0] == "True")

        plane.restart_api_server(kill=True)
        sources.create("after", runOnCreate=False)
        sources.edit_cronjob("before", schedule="1 1 1 1 *")

        eventually(lambda: sources.condition("Scheduled", "after")[0] == "True", seconds=70)
        eventually(lambda: sources.cronjob("before")["spec"]["schedule"] == NEVER, seconds=70)
        assert operator.process.poll() is None
        assert operator.get("/healthz").text == "ok"


def test_without_a_database_schedules_go_on_and_the_status_says_so(
    operator_kubeconfig, tmp_path, sources
):
    with operating(operator_kubeconfig, tmp_path, namespaces=[sources.namespace]) as operator:
        sources.create()

        eventually(lambda: converged(sources))
        assert len(sources.jobs()) == 1
        assert sources.condition("DatabaseUnavailable")[0] == "True"
        assert sources.condition("Ready") == ("Unknown", "DatabaseUnavailable")
        assert operator.get("/healthz").text == "ok"


def test_when_the_database_comes_back_the_status_catches_up(
    operator_kubeconfig, tmp_path, sources, postgres, migrated_template
):
    with postgres_support.database(postgres, template=migrated_template) as url:
        late = url.set(database=f"{url.database}_late")
        with operating(
            operator_kubeconfig, tmp_path, namespaces=[sources.namespace], database=late
        ):
            sources.create(runOnCreate=False)
            eventually(lambda: sources.condition("DatabaseUnavailable")[0] == "True")

            postgres_support.rename(postgres, url.database, late.database)
            try:
                eventually(lambda: sources.condition("DatabaseUnavailable") == ("", ""))
                assert sources.condition("Ready") == ("True", "AwaitingSchedule")
            finally:
                postgres_support.rename(postgres, late.database, url.database)


@pytest.mark.parametrize("with_database", [True, False])
def test_it_ends_when_it_is_asked_to_without_waiting_for_kopf(
    operator_kubeconfig, tmp_path, sources, postgres, migrated_template, with_database
):
    with postgres_support.database(postgres, template=migrated_template) as url:
        options = {"database": url} if with_database else {}
        with operating(
            operator_kubeconfig, tmp_path, namespaces=[sources.namespace], **options
        ) as operator:
            sources.create()
            eventually(lambda: converged(sources))

            assert operator.stop() == 0

    # Kopf takes signals for itself, and then waits five seconds for tasks that are not its own.
    assert "Operator is stopping" not in operator.logs
    assert "Traceback" not in operator.logs
