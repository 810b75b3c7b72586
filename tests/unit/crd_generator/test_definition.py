from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd import generate
from cryptosource_crd.generator import definition, schema
from cryptosource_crd.generator_rules import CRON_MACROS, NO_KEY, RULES
from cryptosource_crd.urls import check_url
from cryptosource_crd.v1alpha1 import CryptoSourceSpec, CryptoSourceStatus

UNTYPED = "x-kubernetes-preserve-unknown-fields"


def walk(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, (*path, name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            yield from walk(node[keyword], (*path, keyword))


NODES = [(path, node) for path, node in walk(schema()) if path[:1] != ("metadata",)]


def test_the_file_in_the_tree_is_what_the_models_say():
    assert generate.render() == generate.OUTPUT.read_text("utf-8"), "run make generate"


def test_generate_writes_the_file_it_is_asked_for(tmp_path):
    target = tmp_path / "crd.yaml"

    assert generate.main([str(target)]) == 0
    assert target.read_text("utf-8") == generate.render()


def test_every_field_has_one_type_or_is_marked_as_open():
    for path, node in NODES:
        assert ("type" in node) != (UNTYPED in node and "type" not in node), path
        assert "$ref" not in node, path
        assert "title" not in node, path


def test_no_union_names_a_type():
    for path, node in NODES:
        for member in node.get("anyOf", []):
            assert "type" not in member, path


def test_every_text_and_list_and_map_of_the_spec_is_bounded():
    for path, node in NODES:
        if path[:1] != ("spec",):
            continue
        if node.get("type") == "string":
            assert {"maxLength", "enum"} & set(node), path
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if "additionalProperties" in node or UNTYPED in node:
            assert {"maxProperties", "maxLength"} & set(node), path


@pytest.mark.parametrize(
    ("part", "model"), [("spec", CryptoSourceSpec), ("status", CryptoSourceStatus)]
)
def test_every_field_of_a_model_is_in_the_schema_with_its_documentation(part, model):
    properties = schema()["properties"][part]["properties"]

    for name, info in model.model_fields.items():
        found = properties[info.alias or name]
        assert found["description"] == " ".join((info.description or "").split())


def test_nothing_of_the_status_has_a_default_of_its_own():
    status = [node for path, node in NODES if path[:1] == ("status",) and len(path) > 1]

    assert all("default" not in node for node in status)
    assert schema()["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_every_rule_has_a_sentence_and_a_place():
    for path, rules in RULES.items():
        assert rules, path
        assert all(rule.message and "\n" not in rule.message for rule in rules)


def test_names_and_columns_are_those_of_the_contract():
    spec = definition()["spec"]
    columns = spec["versions"][0]["additionalPrinterColumns"]

    assert spec["names"]["shortNames"] == ["csrc"]
    assert spec["names"]["categories"] == ["crypto"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "Type", "Schedule", "Suspend", "Ready", "Last Run", "Status", "Records", "Last Success", "Age",
    ]  # fmt: skip
    assert [column["name"] for column in columns if "priority" in column] == [
        "Next Run", "Failures", "Checkpoint", "Message",
    ]  # fmt: skip


PARAMETERS = st.sampled_from(
    ["key", "apikey", "x_cg_demo_api_key", "token", "page", "keyboard", "monkey", "sig", "design",
     "access-key", "API_KEY", "author", "auth", "id", "my.token", "tokens", "per_page", "Signature"]
)  # fmt: skip


@given(names=st.lists(PARAMETERS, min_size=1, max_size=3))
def test_admission_and_model_agree_on_what_looks_like_a_credential(names):
    url = "https://x/a?" + "&".join(f"{name}=1" for name in names)
    pattern = re.search(r"r'(.*)'\)$", NO_KEY.rule)
    assert pattern is not None

    try:
        check_url(url)
        refused = False
    except ValueError:
        refused = True

    assert bool(re.search(pattern[1], url)) == refused


def test_the_macros_of_the_rule_are_those_of_the_model():
    assert set(CRON_MACROS.split("|")) >= {"hourly", "daily", "weekly", "monthly", "yearly"}
