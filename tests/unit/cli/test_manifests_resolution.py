from __future__ import annotations

import base64
import os

import pytest
import yaml

from cryptosource_cli.manifest_files import load_manifests
from cryptosource_cli.references import api_keys_in, resolve
from support.sources import make_manifest

KEY = "CG-canary"
REF = {"name": "gecko", "key": "api-key"}
DEMO = make_manifest(coinGecko={"plan": "Demo"}, apiKeySecretRef=REF)
PRO = make_manifest(coinPaprika={"plan": "Pro"})
ACME = make_manifest(type="Acme", apiKeySecretRef=REF)


def secret(**members):
    return {"kind": "Secret", "metadata": {"name": "gecko"}} | members


def config_map(text, namespace="default"):
    metadata = {"name": "coins", "namespace": namespace}
    return {"kind": "ConfigMap", "metadata": metadata, "data": {"a.csv": text}}


@pytest.fixture
def resolved(tmp_path):
    def resolve_documents(*documents, **environ):
        file = tmp_path / "manifest.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        manifests = load_manifests([file])
        assert manifests.problems == []
        return resolve(manifests.sources[0], manifests, environ=environ, data_dir=tmp_path / "data")

    return resolve_documents


@pytest.mark.parametrize(
    "members",
    [
        {"stringData": {"api-key": KEY}},
        {"data": {"api-key": base64.b64encode(KEY.encode()).decode()}},
        {"data": {"api-key": base64.b64encode(f"{KEY}\n".encode()).decode()}},
        {"data": {"api-key": "d3Jvbmc="}, "stringData": {"api-key": KEY}},
    ],
)
def test_the_key_comes_from_the_secret_however_it_is_written(resolved, members):
    found = resolved(DEMO, secret(**members), COINGECKO_API_KEY="other")

    assert found.api_key == KEY
    assert KEY not in repr(found)


def test_without_the_secret_the_key_comes_from_the_environment(resolved):
    assert resolved(DEMO, COINGECKO_API_KEY=KEY).api_key == KEY
    paprika = make_manifest(coinPaprika={"plan": "Starter"})
    assert resolved(paprika, COINPAPRIKA_API_KEY=KEY).api_key == KEY


def test_a_plugin_gets_the_key_it_names_or_that_of_the_environment_or_none(resolved):
    keyed = make_manifest(type="Acme", apiKeySecretRef=REF)
    keyless = make_manifest(type="Acme")

    assert resolved(keyed, secret(stringData={"api-key": f"{KEY}\n"})).api_key == KEY
    assert resolved(keyed, ACME_API_KEY=KEY).api_key == KEY
    assert resolved(keyless, ACME_API_KEY=KEY).api_key == KEY
    assert resolved(keyless, COINGECKO_API_KEY=KEY, ACME_API_KEY="").api_key is None
    assert resolved(keyless).problems == ()


def test_a_file_takes_no_key(resolved):
    assert resolved(make_manifest(csv={"path": "a.csv"}), CSV_API_KEY=KEY).api_key is None


def test_keys_that_must_not_show_are_those_that_sources_name(tmp_path):
    unnamed = make_manifest(name="keyless", type="Acme")
    other = {"kind": "Secret", "metadata": {"name": "other"}, "stringData": {"api-key": "x"}}
    members = {"stringData": {"api-key": f"{KEY}\n", "user": "someone"}}
    file = tmp_path / "manifest.yaml"
    file.write_text(yaml.safe_dump_all([DEMO, unnamed, other, secret(**members)]))

    assert api_keys_in(load_manifests([file])) == {KEY}


def test_a_plan_without_a_key_sends_none_even_if_one_is_there(resolved):
    found = resolved(make_manifest(coinGecko={"plan": "Keyless"}), COINGECKO_API_KEY=KEY)

    assert (found.api_key, found.problems) == (None, ())


@pytest.mark.parametrize(
    ("documents", "environ", "reason", "message", "hint"),
    [
        ((DEMO,), {}, "KeyMissing", "Demo needs a key", "Secret gecko to the files or set COINGECKO_API_KEY"),
        ((PRO,), {}, "KeyMissing", "Pro needs a key", "set spec.apiKeySecretRef or set COINPAPRIKA_API_KEY"),
        ((ACME,), {}, "KeyMissing", "the source needs a key", "or set ACME_API_KEY"),
        ((ACME,), {"ACME_API_KEY": ""}, "KeyMissing", "empty", ""),
        ((DEMO, secret(stringData={"token": "x"})), {}, "KeyMissing", "has no key api-key", "token"),
        ((DEMO, secret(stringData={"api-key": " \n"})), {}, "KeyMissing", "empty", ""),
        ((DEMO, secret(stringData={"api-key": "a\nb"})), {}, "KeyRejected", "no header can carry", ""),
        ((DEMO,), {"COINGECKO_API_KEY": "ключ"}, "KeyRejected", "no header can carry", ""),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used_is_a_problem(
    resolved, documents, environ, reason, message, hint
):
    found = resolved(*documents, **environ)

    assert (found.api_key, found.reason) == (None, reason)
    assert message in found.problems[0].message
    assert hint in found.problems[0].hint


def test_a_path_is_relative_to_the_manifests_folder(resolved, tmp_path):
    found = resolved(make_manifest(csv={"path": "files/a.csv"}))

    assert found.csv_path == tmp_path / "files" / "a.csv"


def test_a_url_needs_no_file(resolved):
    assert resolved(make_manifest(csv={"url": "https://example.com/a.csv"})).csv_path is None


FROM_MAP = make_manifest(csv={"configMap": {"name": "coins", "key": "a.csv"}})


def test_a_configmap_becomes_a_file_that_changes_only_with_its_text(resolved, tmp_path):
    file = resolved(FROM_MAP, config_map("one")).csv_path
    assert file == tmp_path / "data/configmaps/default/coins/a.csv"
    assert file.read_text() == "one"

    os.utime(file, (1, 1))
    resolved(FROM_MAP, config_map("one"))
    assert file.stat().st_mtime == 1

    resolved(FROM_MAP, config_map("two"))
    assert file.read_text() == "two"
    assert [path.name for path in file.parent.iterdir()] == ["a.csv"]


def test_a_configmap_of_another_namespace_is_not_the_sources(resolved):
    (problem,) = resolved(FROM_MAP, config_map("one", namespace="other")).problems

    assert "default/coins is not among the files" in problem.message


def test_a_configmap_without_the_key_names_its_keys(resolved):
    wanted = make_manifest(csv={"configMap": {"name": "coins", "key": "b.csv"}})

    (problem,) = resolved(wanted, config_map("one")).problems

    assert (problem.path, problem.hint) == ("spec.csv.configMap.key", "its keys: a.csv")


def test_a_data_dir_that_cannot_be_written_is_a_problem(resolved, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")

    (problem,) = resolved(FROM_MAP, config_map("one")).problems

    assert "cannot be written" in problem.message


def test_volumes_and_mounted_configmaps_are_found_through_the_environment(resolved, tmp_path):
    volume = make_manifest(csv={"volumeClaim": {"name": "data", "path": "x/a.csv"}})

    on_volume = resolved(volume, CRYPTOSOURCE_VOLUMES_DIR="/volumes").csv_path
    mounted = resolved(FROM_MAP, CRYPTOSOURCE_CONFIGMAPS_DIR="/maps").csv_path

    assert str(on_volume) == "/volumes/data/x/a.csv"
    assert str(mounted) == "/maps/coins/a.csv"
    assert "CRYPTOSOURCE_VOLUMES_DIR" in resolved(volume).problems[0].hint
