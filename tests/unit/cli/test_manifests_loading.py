from __future__ import annotations

import json

import pytest
import yaml

from cryptosource_cli.manifest_files import load_manifests
from support.sources import make_manifest

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coins"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}


def write(path, *documents):
    path.write_text(yaml.safe_dump_all(documents))
    return path


def test_sources_configmaps_and_secrets_of_one_file_are_found(tmp_path):
    file = write(
        tmp_path / "all.yaml",
        make_manifest(name="one"),
        CONFIG_MAP | {"data": {"a.csv": "x"}},
        SECRET | {"stringData": {"api-key": "k"}},
        make_manifest(name="two", namespace="crypto"),
    )

    found = load_manifests([file])

    assert [loaded.key for loaded in found.sources] == [("default", "one"), ("crypto", "two")]
    assert found.config_maps["default", "coins"].contents == {"a.csv": b"x"}
    assert found.secrets["default", "keys"].contents == {"api-key": b"k"}
    assert found.problems == []


def test_a_folder_is_read_in_order_of_name_without_its_subfolders(tmp_path):
    write(tmp_path / "b.yml", make_manifest(name="b"))
    (tmp_path / "a.json").write_text(json.dumps(make_manifest(name="a"), indent="\t"))
    (tmp_path / "notes.txt").write_text("not: [yaml")
    (tmp_path / "sub.yaml").mkdir()
    write(tmp_path / "sub.yaml" / "c.yaml", make_manifest(name="c"))

    found = load_manifests([tmp_path])

    assert [loaded.source.metadata.name for loaded in found.sources] == ["a", "b"]
    assert found.problems == []


def test_a_file_given_twice_is_read_once(tmp_path):
    file = write(tmp_path / "a.yaml", make_manifest())

    found = load_manifests([tmp_path, file, str(file)])

    assert len(found.sources) == 1
    assert found.problems == []


@pytest.mark.parametrize(
    "document", [make_manifest(), CONFIG_MAP | {"data": {}}, SECRET | {"data": {}}]
)
def test_what_is_defined_twice_is_reported_with_both_places(tmp_path, document):
    first = write(tmp_path / "a.yaml", document)
    second = write(tmp_path / "b.yaml", document)

    problem = next(p for p in load_manifests([tmp_path]).problems if p.path == "metadata.name")

    assert problem.file == str(second)
    assert f"is already defined at {first}:1" in problem.message


def test_items_of_a_list_are_read_as_kubectl_writes_them(tmp_path):
    listed = {"apiVersion": "v1", "kind": "List", "items": [make_manifest(), make_manifest(nope=1)]}
    file = write(tmp_path / "list.yaml", listed)

    found = load_manifests([file])

    assert len(found.sources) == 1
    assert found.problems[0].path == "spec.nope"
    assert file.read_text().splitlines()[found.problems[0].line - 1].strip() == "nope: 1"


def test_another_kind_is_passed_over_with_a_note(tmp_path):
    file = write(tmp_path / "a.yaml", make_manifest(), {"kind": "Deployment"})

    found = load_manifests([file])

    assert found.problems == []
    assert "a Deployment is not read here" in found.notes[0]


BROKEN = {
    "a: [": "not readable",
    "- a\n": "is not a manifest",
    "just text\n": "is not a manifest",
    "spec: {}\n": "is missing",
    "kind: CryptoSorce\n": "'CryptoSorce' is not a kind",
    "kind: Deployment\n": None,
    "": "holds no CryptoSource",
    "kind: ConfigMap\n": "is missing",
    "kind: ConfigMap\nmetadata: {name: a}\ndata: {n: 1}\n": "must be a string",
    "kind: ConfigMap\nmetadata: {name: a}\ndata: [1]\n": "must be an object",
    "kind: Secret\nmetadata: {name: a}\ndata: {k: '!'}\n": "is not base64",
}


@pytest.mark.parametrize(("text", "message"), BROKEN.items())
def test_a_broken_file_is_a_problem_and_never_an_exception(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)

    problems = load_manifests([tmp_path]).problems

    assert (message or "holds no CryptoSource") in problems[0].message


def test_a_broken_file_does_not_hide_the_others(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xfa")
    write(tmp_path / "c.yaml", make_manifest())

    found = load_manifests([tmp_path])

    assert len(found.sources) == 1
    assert [problem.file for problem in found.problems] == [
        str(tmp_path / "a.yaml"),
        str(tmp_path / "b.yaml"),
    ]


def test_a_missing_path_and_an_empty_folder_say_so(tmp_path):
    missing, empty = load_manifests([tmp_path / "no.yaml", tmp_path]).problems

    assert str(missing).endswith("cannot be read: No such file or directory; check the path")
    assert "holds no *.yaml" in empty.message


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(make_manifest()), encoding="utf-8-sig")

    assert len(load_manifests([file]).sources) == 1


def test_contents_of_secrets_never_show_in_a_repr(tmp_path):
    file = write(tmp_path / "a.yaml", make_manifest(), SECRET | {"stringData": {"k": "canary-1"}})

    assert "canary-1" not in repr(load_manifests([file]))
