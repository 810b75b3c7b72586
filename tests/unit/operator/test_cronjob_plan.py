from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_cli.manifest_files import load_manifests
from cryptosource_operator.cronjob_plan import plan_cronjob, plan_manual_job, start_delay_seconds
from cryptosource_operator.names import MANIFEST, TRACE
from cryptosource_operator.run_pod import manifest_of
from cryptosource_operator.settings import JobSettings
from support.operators import SETTINGS, UID, make_cronjob
from support.sources import make_source

KEY = {"apiKeySecretRef": {"name": "a-key", "key": "token"}}
KEYED = {"coinGecko": {"plan": "Demo"}} | KEY


def plan(settings=SETTINGS, **spec):
    return plan_cronjob(make_source(uid=UID, **spec), settings)


def pod_of(cronjob):
    return cronjob["spec"]["jobTemplate"]["spec"]["template"]


def container_of(cronjob):
    (container,) = pod_of(cronjob)["spec"]["containers"]
    return container


def environment_of(container):
    return {item["name"]: item.get("value") or item["valueFrom"] for item in container["env"]}


def test_what_the_spec_says_of_time_is_in_the_cronjob():
    spec = plan(
        schedule="1 2 * * *", timeZone="Europe/Berlin", suspend=True, concurrencyPolicy="Replace",
        startingDeadlineSeconds=33, activeDeadlineSeconds=44, jobHistory={"successful": 1, "failed": 2},
    )["spec"]  # fmt: skip

    assert spec["schedule"] == "1 2 * * *"
    assert spec["timeZone"] == "Europe/Berlin"
    assert spec["suspend"] is True
    assert spec["concurrencyPolicy"] == "Replace"
    assert spec["startingDeadlineSeconds"] == 33
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 44
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (1, 2)


def test_the_cronjob_goes_with_its_source_and_blocks_nothing():
    (owner,) = plan()["metadata"]["ownerReferences"]

    assert owner == {
        "apiVersion": "cryptosource.io/v1alpha1", "kind": "CryptoSource", "name": "a-source",
        "uid": UID, "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip


def test_a_disruption_counts_for_nothing_and_a_permanent_failure_ends_the_job():
    job = plan()["spec"]["jobTemplate"]["spec"]

    rules = job["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "FailJob", "Ignore"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert rules[1]["onExitCodes"] == {"containerName": "etl", "operator": "In", "values": [78]}
    assert rules[2]["onExitCodes"]["values"] == [143]
    assert job["podReplacementPolicy"] == "Failed"
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_the_pod_is_restricted_and_has_no_token():
    pod = pod_of(plan())["spec"]
    container = container_of(plan())

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_the_settings_cannot_loosen_what_a_pod_may_do():
    loose = {
        "automountServiceAccountToken": True,
        "securityContext": {},
        "nodeSelector": {"a": "b"},
    }
    pod = pod_of(plan(JobSettings(image="x", pod=loose)))["spec"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["nodeSelector"] == {"a": "b"}


@pytest.mark.parametrize(
    ("spec", "variable"),
    [
        (KEYED, "COINGECKO_API_KEY"),
        ({"coinPaprika": {"plan": "Pro"}} | KEY, "COINPAPRIKA_API_KEY"),
        ({"type": "Acme2"} | KEY, "ACME2_API_KEY"),
    ],
)
def test_no_secret_is_written_down_and_each_type_has_its_variable(spec, variable):
    environment = environment_of(container_of(plan(**spec)))

    assert environment[variable] == {"secretKeyRef": {"name": "a-key", "key": "token"}}
    assert environment["DATABASE_URL"] == {
        "secretKeyRef": {"name": "cryptosource-database", "key": "uri"}
    }


def test_the_run_learns_who_it_is_from_its_own_pod():
    environment = environment_of(container_of(plan()))

    assert (
        "batch.kubernetes.io/job-name"
        in environment["CRYPTOSOURCE_JOB_NAME"]["fieldRef"]["fieldPath"]
    )
    assert environment["CRYPTOSOURCE_POD_NAME"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert environment["CRYPTOSOURCE_TRIGGER"] == "schedule"


MANIFESTS = [
    {},
    {"coinGecko": {"plan": "Demo", "selection": {"ids": ["bitcoin", "Ðogecoin 🚀"]}}} | KEY,
    {"csv": {"url": "https://x/a.csv", "delimiter": "\\t", "columns": {"priceUsd": "Close"}}},
    {"csv": {"path": "x", "columns": {"symbol": {"value": "BTC"}, "name": {"column": "né: #1 'x' \"y\""}}}},
    {"identity": {"pins": {"btc-bitcoin": "coingecko:bitcoin"}}, "resources": {"limits": {"memory": "1Gi"}}},
    {"type": "Binance", "options": {"pairs": [1, None, {"a": "ß"}]}} | KEY,
]  # fmt: skip


@pytest.mark.parametrize("spec", MANIFESTS)
def test_the_manifest_in_the_pod_is_read_as_the_same_source(spec, tmp_path):
    source = make_source(uid=UID, **spec)
    file = tmp_path / "source.yaml"
    file.write_text(
        pod_of(plan_cronjob(source, SETTINGS))["metadata"]["annotations"][MANIFEST], "utf-8"
    )

    manifests = load_manifests((file,))

    assert not manifests.problems
    (loaded,) = manifests.sources
    assert loaded.source.spec == source.spec
    assert loaded.source.metadata.uid == UID
    if source.spec.csv is not None:
        assert loaded.source.spec.csv.columns.explicit == source.spec.csv.columns.explicit


def test_the_pod_mounts_its_own_annotation_where_it_is_told_to_read():
    cronjob = plan()
    (volume,) = [item for item in pod_of(cronjob)["spec"]["volumes"] if item["name"] == "source"]
    (item,) = volume["downwardAPI"]["items"]

    assert item["fieldRef"]["fieldPath"] == "metadata.annotations['cryptosource.io/manifest']"
    assert container_of(cronjob)["args"] == ["run", "-f", "/etc/cryptosource/source.yaml"]


@pytest.mark.parametrize(
    ("csv", "volume", "path"),
    [
        (
            {"configMap": {"name": "coins", "key": "coins.csv"}},
            {
                "configMap": {
                    "name": "coins",
                    "defaultMode": 0o644,
                    "items": [{"key": "coins.csv", "path": "coins.csv"}],
                }
            },
            "/var/lib/cryptosource/configmaps/coins",
        ),
        (
            {"volumeClaim": {"name": "files", "path": "daily/coins.csv"}},
            {"persistentVolumeClaim": {"claimName": "files", "readOnly": True}},
            "/var/lib/cryptosource/volumes/files",
        ),
    ],
)
def test_a_file_is_mounted_read_only_where_the_run_looks_for_it(csv, volume, path):
    cronjob = plan(csv=csv)
    environment = environment_of(container_of(cronjob))

    assert {"name": "data", **volume} in pod_of(cronjob)["spec"]["volumes"]
    assert {"name": "data", "mountPath": path, "readOnly": True} in container_of(cronjob)[
        "volumeMounts"
    ]
    assert path.rsplit("/", 1)[0] in {
        environment["CRYPTOSOURCE_CONFIGMAPS_DIR"],
        environment["CRYPTOSOURCE_VOLUMES_DIR"],
    }


def test_a_source_asks_for_resources_over_what_the_operator_gives():
    asked = {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi", "ephemeral-storage": "1Gi"}}

    assert container_of(plan(resources=asked))["resources"] == {
        "requests": {"cpu": "1", "memory": "128Mi"},
        "limits": {"memory": "2Gi", "ephemeral-storage": "1Gi"},
    }


def test_the_same_source_gives_the_same_plan():
    assert json.dumps(plan(**KEYED)) == json.dumps(plan(**KEYED))


@given(uid=st.uuids(), deadline=st.integers(10, 300), minutes=st.sampled_from([1, 2, 5, 30]))
def test_a_run_never_waits_so_long_that_it_is_late(uid, deadline, minutes):
    spec = {"schedule": f"*/{minutes} * * * *", "startingDeadlineSeconds": deadline}
    source = make_source(uid=str(uid), **spec)

    delay = start_delay_seconds(source, SETTINGS)

    assert 0 <= delay < min(30, deadline, minutes * 60)
    assert delay == start_delay_seconds(source, SETTINGS)


def test_runs_of_many_sources_are_spread():
    delays = {
        start_delay_seconds(make_source(uid=f"uid-{number}"), SETTINGS) for number in range(300)
    }

    assert delays == set(range(30))


def test_no_spread_no_wait():
    settings = JobSettings(image="x", spread_seconds=0)

    assert "CRYPTOSOURCE_START_DELAY_SECONDS" not in environment_of(container_of(plan(settings)))


def test_one_token_has_one_job_and_another_token_another():
    cronjob = make_cronjob()
    first, again, other = (plan_manual_job(cronjob, token) for token in ("a", "a", "b"))

    assert first == again
    assert first["metadata"]["name"] != other["metadata"]["name"]


def test_a_job_that_was_asked_for_is_the_cronjobs_and_says_what_started_it():
    cronjob = make_cronjob()
    job = plan_manual_job(cronjob, "a", trigger="api", traceparent="00-aa-bb-01")
    environment = environment_of(job["spec"]["template"]["spec"]["containers"][0])

    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("CronJob", "cronjob-1")
    assert environment["CRYPTOSOURCE_TRIGGER"] == "api"
    assert "CRYPTOSOURCE_START_DELAY_SECONDS" not in environment
    assert job["spec"]["template"]["metadata"]["annotations"][TRACE] == "00-aa-bb-01"
    assert cronjob == make_cronjob()


@given(name=st.from_regex(r"[a-z]([-a-z0-9]{0,44}[a-z0-9])?", fullmatch=True), token=st.text())
def test_every_name_of_a_child_fits(name, token):
    source = make_source(name=name, uid=UID)
    cronjob = plan_cronjob(source, SETTINGS)
    cronjob["metadata"]["uid"] = "u"

    assert len(cronjob["metadata"]["name"]) <= 52
    assert len(plan_manual_job(cronjob, token)["metadata"]["name"]) <= 63


def test_the_manifest_holds_no_defaults_that_the_source_does_not_give():
    spec = json.loads(manifest_of(make_source(uid=UID, csv={"path": "x"})))["spec"]

    assert spec == {"csv": {"path": "x"}, "schedule": "*/5 * * * *", "type": "CSV"}
