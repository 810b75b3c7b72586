from __future__ import annotations

import base64
import json

import pytest

from cryptosource_operator.settings import OperatorSettings
from cryptosource_store.schema_migration import head_revision
from support.chart import (
    CHART,
    COMBINATIONS,
    LOADER,
    Refused,
    containers,
    environment,
    named,
    only,
    pod_templates,
    yaml,
)
from support.operator_process import RULES

ALL = [None, *COMBINATIONS]
IDS = ["defaults", *(path.stem for path in COMBINATIONS)]
every_combination = pytest.mark.parametrize("values", ALL, ids=IDS)
LONG = "a-release-name-of-fifty-three-characters-which-is-max"


@every_combination
def test_every_container_is_restricted(helm, values):
    for name, template in pod_templates(helm.render(values)):
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(template):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (name, container["name"])


@every_combination
def test_only_the_operator_gets_a_token(helm, values):
    templates = list(pod_templates(helm.render(values)))

    with_token = [name for name, one in templates if one["spec"]["automountServiceAccountToken"]]

    assert with_token == ["Deployment/prices-cryptosource-operator"]


@every_combination
def test_the_database_url_is_always_a_reference(helm, values):
    secret = ("_URL", "PASSWORD", "API_KEY", "TOKEN")
    for name, template in pod_templates(helm.render(values)):
        for container in containers(template):
            for key, value in environment(template, container["name"]).items():
                if key.endswith(secret):
                    assert list(value) == ["secretKeyRef"], (name, key)


def test_the_generated_password_is_in_its_secret_alone(helm):
    objects = helm.render()
    secret = only(objects, "Secret")
    password = base64.b64decode(secret["data"]["password"]).decode()
    others = json.dumps([one for one in objects if one is not secret])

    assert len(password) == 32
    assert password in base64.b64decode(secret["data"]["uri"]).decode()
    assert password not in others
    assert secret["data"]["password"] not in others


@every_combination
@pytest.mark.parametrize("release", ["x", LONG], ids=["short", "long"])
def test_names_leave_room_for_what_kubernetes_appends(helm, values, release):
    limits = {"CronJob": 52, "Job": 63, "StatefulSet": 52, "Service": 63, "Deployment": 63 - 17}
    for thing in helm.render(values, release=release):
        name = named(thing)
        assert len(name) <= limits.get(thing["kind"], 253), (thing["kind"], name)
        assert not name.endswith("-")
        for value in thing["metadata"].get("labels", {}).values():
            assert len(value) <= 63, value


def test_the_operator_reads_every_setting_it_is_given(helm):
    values = {
        "operator": {"namespaces": ["{{ .Release.Namespace }}", "other"]},
        "runs": {"env": {"LOG_LEVEL": "DEBUG"}, "podLabels": {"team": "data"}, "backoffLimit": 0},
        "global": {"imagePullSecrets": ["registry"]},
        "image": {"repository": "registry.example/crypto", "tag": "v7"},
    }
    operator = only(helm.render(values), "Deployment", "-operator")["spec"]["template"]
    given = environment(operator, "operator")
    texts = {name: value for name, value in given.items() if isinstance(value, str)}

    settings = OperatorSettings.from_environ(texts)

    assert settings.namespaces == ("market", "other")
    assert settings.job.image == "registry.example/crypto/etl:v7"
    assert settings.job.environment == {"LOG_LEVEL": "DEBUG"}
    assert settings.job.pod == {"imagePullSecrets": [{"name": "registry"}]}
    assert settings.job.pod_labels == {"team": "data"}
    assert settings.job.backoff_limit == 0
    assert settings.job.database_secret == "prices-cryptosource-database"
    assert settings.job.database_key == "uri"


def test_the_operators_rights_are_those_that_its_tests_use(helm):
    roles = [one for one in helm.render() if one["kind"] == "ClusterRole"]
    own = [one for one in roles if not named(one).endswith(("-view", "-edit"))]

    assert [one["rules"] for one in own] == [RULES]


def test_named_namespaces_get_a_role_each_and_the_cluster_none(helm):
    objects = helm.render({"operator": {"namespaces": ["{{ .Release.Namespace }}", "other"]}})
    kinds = {one["kind"] for one in objects}
    roles = {one["metadata"]["namespace"]: one for one in objects if one["kind"] == "Role"}

    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    assert set(roles) == {"market", "other"}
    assert all(role["rules"] == RULES for role in roles.values())
    for binding in (one for one in objects if one["kind"] == "RoleBinding"):
        assert binding["subjects"][0]["namespace"] == "market"


def test_releases_of_one_name_in_two_namespaces_share_no_cluster_wide_object(helm):
    names = [
        {
            named(one)
            for one in helm.render(namespace=space)
            if one["kind"].startswith("ClusterRole")
        }
        for space in ("one", "two")
    ]

    assert not names[0] & names[1]


def test_the_crd_is_the_one_in_the_tree(helm):
    source = CHART.parents[1] / "crds" / "cryptosources.yaml"
    expected = yaml.load(source.read_text("utf-8"), Loader=LOADER)

    crd = only(helm.render({"crds": {"keep": False}}), "CustomResourceDefinition")
    kept = only(helm.render(), "CustomResourceDefinition")

    assert crd == expected
    assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert kept == expected
    kinds = {one["kind"] for one in helm.render({"crds": {"enabled": False}})}
    assert "CustomResourceDefinition" not in kinds


def test_the_chart_names_the_schema_that_the_code_needs():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))

    assert chart["annotations"]["cryptosource.io/schema-revision"] == head_revision()


@pytest.mark.parametrize(
    ("change", "renamed"),
    [
        ({"image": {"tag": "v2"}}, True),
        ({"migrations": {"resources": {"limits": {"memory": "1Gi"}}}}, True),
        ({"api": {"replicas": 3}}, False),
    ],
    ids=["tag", "template", "elsewhere"],
)
def test_the_migration_is_a_new_job_exactly_when_its_template_changes(helm, change, renamed):
    before = only(helm.render({"image": {"tag": "v1"}}), "Job")
    after = only(helm.render({"image": {"tag": "v1"}} | change), "Job")

    assert (named(before) != named(after)) is renamed
    assert (before["spec"] != after["spec"]) is renamed
    assert "helm.sh/hook" not in before["metadata"]["annotations"]


def test_a_secret_of_ones_own_replaces_the_development_postgres(helm):
    objects = helm.render(CHART / "ci" / "production-values.yaml")
    operator = only(objects, "Deployment", "-operator")["spec"]["template"]
    migration = only(objects, "Job")["spec"]["template"]

    assert not {one["kind"] for one in objects} & {"Secret", "StatefulSet"}
    assert environment(operator, "operator")["DATABASE_URL"] == {
        "secretKeyRef": {"name": "market-app", "key": "uri"}
    }
    assert environment(operator, "operator")["CRYPTOSOURCE_DATABASE_SECRET"] == "market-app"
    assert environment(migration, "migrate")["DATABASE_URL"] == {
        "secretKeyRef": {"name": "market-owner", "key": "uri"}
    }


def test_an_autoscaled_api_leaves_its_replicas_to_the_autoscaler(helm):
    objects = helm.render({"api": {"autoscaling": {"enabled": True}}})

    assert "replicas" not in only(objects, "Deployment", "-api")["spec"]
    assert only(objects, "HorizontalPodAutoscaler")["spec"]["maxReplicas"] == 4


def test_no_database_is_refused_with_what_to_do(helm):
    with pytest.raises(Refused, match=r"database\.existingSecret"):
        helm.render({"database": {"development": {"enabled": False}}})


@pytest.mark.parametrize(
    "values",
    [
        {"nope": 1},
        {"api": {"replica": 1}},
        {"database": {"password": "hunter2"}},
        {"runs": {"pod": {"hostNetwork": True}}},
        {"runs": {"env": {"N": 1}}},
        {"image": {"pullPolicy": "Sometimes"}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_the_chart_does_not_know(helm, values):
    with pytest.raises(Refused, match="schema"):
        helm.render(values)


def test_it_works_as_a_subchart(helm, tmp_path):
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "cryptosource").symlink_to(CHART)
    chart = {
        "apiVersion": "v2",
        "name": "parent",
        "version": "1.0.0",
        "dependencies": [
            {"name": "cryptosource", "version": "0.1.0", "condition": "cryptosource.enabled"}
        ],
    }
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart), "utf-8")
    shared = {"global": {"imagePullSecrets": ["registry"], "anything": {"else": 1}}}

    on = helm.render(shared | {"cryptosource": {"enabled": True}}, chart=parent)
    off = helm.render(shared | {"cryptosource": {"enabled": False}}, chart=parent)

    assert off == []
    assert {named(one) for one in on if one["kind"] == "Deployment"} == {
        "prices-cryptosource-api",
        "prices-cryptosource-operator",
    }
    for name, template in pod_templates(on):
        assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}], name


@every_combination
def test_helm_lint_finds_nothing_wrong(helm, values):
    given = () if values is None else ("--values", str(values))

    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART), *given)


def api_variables(helm, **values):
    (api,) = [
        one for name, one in pod_templates(helm.render({"api": values})) if name.endswith("-api")
    ]
    return environment(api, "api")


def test_one_value_takes_the_documentation_away(helm):
    assert "CRYPTOSOURCE_API_DOCS" not in api_variables(helm)
    assert api_variables(helm, docs=False)["CRYPTOSOURCE_API_DOCS"] == "off"


def test_one_value_makes_the_api_ask_for_keys(helm):
    assert "CRYPTOSOURCE_API_AUTH" not in api_variables(helm)
    auth = {"enabled": True, "schedulerToken": {"existingSecret": "scheduler"}}
    asked = api_variables(helm, auth=auth)
    assert asked["CRYPTOSOURCE_API_AUTH"] == "keys"
    assert asked["SCHEDULER_TOKEN"] == {"secretKeyRef": {"name": "scheduler", "key": "token"}}


def ports_out(helm, limits):
    policy = {"enabled": True, "redisPort": 6380, "redisTo": [{"podSelector": {}}]}
    rendered = helm.render({"api": {"networkPolicy": policy, "limits": limits}})
    egress = only(rendered, "NetworkPolicy")["spec"]["egress"]
    return {port["port"]: rule.get("to") for rule in egress for port in rule["ports"]}


def test_the_api_may_reach_redis_exactly_where_replicas_share_rates(helm):
    shared = ports_out(helm, {"redis": {"existingSecret": "redis"}})

    assert shared == {53: None, 5432: None, 6380: [{"podSelector": {}}]}
    assert ports_out(helm, {}) == {53: None, 5432: None}


def runbooks(helm, alerts):
    rule = only(helm.render({"alerts": {"enabled": True, **alerts}}), "PrometheusRule")
    rules = [each for group in rule["spec"]["groups"] for each in group["rules"]]
    return {each["alert"]: each["annotations"].get("runbook_url") for each in rules}


def test_an_alert_links_to_its_section_by_an_absolute_url_or_not_at_all(helm):
    told = runbooks(helm, {"runbooks": "https://wiki.example/alerts"})

    assert told["CryptoSourceStale"] == "https://wiki.example/alerts#cryptosourcestale"
    assert set(runbooks(helm, {}).values()) == {None}
    with pytest.raises(Refused, match="runbooks"):
        runbooks(helm, {"runbooks": "docs/alerts.md"})


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({"image": {"repository": "r/c", "tag": "1"}}, "r/c/etl:1"),
        ({"runs": {"image": "r/etl-with-acme:2"}}, "r/etl-with-acme:2"),
    ],
)
def test_runs_have_the_releases_image_or_one_of_their_own(helm, values, image):
    operator = only(helm.render(values), "Deployment", "operator")

    found = environment(operator["spec"]["template"], "operator")

    assert found["CRYPTOSOURCE_ETL_IMAGE"] == image
