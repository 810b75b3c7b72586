"""What `/openapi.json` says: of everything, with examples that are true, and every error."""

from __future__ import annotations

import ast
import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hack.api_reference import Operation, operations
from hack.openapi import description
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from cryptosource_api.http.problems import MEDIA_TYPE
from cryptosource_api.openapi import document, problem_kinds

API = Path(document.__file__).parents[1]
DESCRIBED = description()
OPERATIONS = operations(DESCRIBED)
HERE = "urn:description"
REGISTRY = Registry().with_resource(HERE, DRAFT202012.create_resource(DESCRIBED))
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.title)


def mistakes(schema: dict[str, Any], value: Any) -> list[str]:
    """Return where a value is not what a schema of the description says."""
    absolute = json.loads(json.dumps(schema).replace('"#/', f'"{HERE}#/'))
    validator = Draft202012Validator(absolute, registry=REGISTRY)
    return [str(each) for each in validator.iter_errors(value)]


@every_operation
def test_an_operation_says_what_it_is(operation: Operation):
    content = operation.content

    assert content["summary"]
    assert not content["summary"].endswith(".")
    assert content["description"].endswith(".")
    assert content["operationId"].isidentifier()
    assert set(content["tags"]) <= {each["name"] for each in DESCRIBED["tags"]}


def test_operations_have_names_of_their_own():
    names = [each.content["operationId"] for each in OPERATIONS]

    assert len(set(names)) == len(names)


@every_operation
def test_a_parameter_has_a_meaning_and_an_example_that_fits(operation: Operation):
    for parameter in operation.content.get("parameters", ()):
        schema = operation.follow(parameter["schema"])
        shown = schema.get("examples") or schema.get("enum") or [schema.get("default")]

        assert parameter["description"], parameter
        assert shown != [None], parameter
        assert [mistakes(schema, each) for each in shown] == [[] for _ in shown], parameter
        assert {"type": "null"} not in schema.get("anyOf", ()), "a text in a URL is never null"


@every_operation
def test_an_answer_has_an_example_that_fits(operation: Operation):
    status = next(each for each in operation.content["responses"] if each.startswith("2"))
    contents = operation.content["responses"][status]["content"]
    shown = {
        media_type: [each["value"] for each in content.get("examples", {}).values()]
        for media_type, content in contents.items()
    }

    assert any(shown.values())
    assert "application/json" not in shown or shown["application/json"]
    for media_type, values in shown.items():
        for value in values:
            assert mistakes(contents[media_type]["schema"], value) == []


@every_operation
def test_the_request_of_an_example_is_one_that_the_operation_takes(operation: Operation):
    cases = document.cases_of(operation.content["operationId"])
    taken = {each["name"] for each in operation.content.get("parameters", ())}
    steps = operation.path.split("/")

    for case in cases:
        method, url = case.request.split(" ")
        given = urlsplit(url)
        assert method == operation.method
        assert [a for a, b in zip(given.path.split("/"), steps, strict=True) if "{" not in b] == [
            step for step in steps if "{" not in step
        ]
        assert {name for name, _ in parse_qsl(given.query)} <= taken
        if case.body is not None:
            body = operation.content["requestBody"]["content"]["application/json"]
            assert mistakes(body["schema"], case.body) == []


def test_every_recorded_answer_is_shown():
    folder = files("cryptosource_api.openapi").joinpath("answers")
    recorded = {Path(each.name).stem for each in folder.iterdir()}

    assert recorded == {each.content["operationId"] for each in OPERATIONS}


@every_operation
def test_an_error_has_an_example_of_each_type_with_its_status(operation: Operation):
    for status, response in operation.content["responses"].items():
        if status < "4":
            continue
        content = operation.follow(response)["content"][MEDIA_TYPE]
        shown = [operation.follow(each) for each in content["examples"].values()]

        assert shown
        for example in shown:
            assert example["summary"].endswith(".")
            assert example["description"].endswith(".")
            assert example["value"]["status"] == int(status)
            assert mistakes(content["schema"], example["value"]) == []


@every_operation
def test_what_any_route_may_end_with_is_declared(operation: Operation):
    declared = set(operation.content["responses"])

    assert {"400", "401", "408", "413", "414", "429", "431", "500", "503"} <= declared
    assert ("403" in declared) == bool(operation.scopes())


def raised_types() -> set[str]:
    """Return the last word of every type that the code can raise, by reading it."""
    found: set[str] = set()
    for path in API.rglob("*.py"):
        if path.name == "problem_kinds.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr) and ast.unparse(node).startswith("f'{URN}"):
                found.add(ast.unparse(node)[len("f'{URN}") : -1])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Unavailable":
                found.add(ast.literal_eval(node.args[0]))
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PROBLEMS":
                found |= {ast.literal_eval(each.elts[1]) for each in node.value.values}
    return {word for word in found if "{" not in word}


def test_every_type_that_is_raised_is_in_the_catalogue_and_none_beside():
    known = {kind.word for kind in problem_kinds.ALL if not kind.blank}

    assert raised_types() == known


def test_every_error_of_the_catalogue_can_be_met_somewhere():
    met = {
        word
        for operation in OPERATIONS
        for status, response in operation.content["responses"].items()
        if status >= "4"
        for word in operation.follow(response)["content"][MEDIA_TYPE]["examples"]
    }
    outside = {kind.word for kind in problem_kinds.OUTSIDE}

    assert met | outside == {kind.word for kind in problem_kinds.ALL}


def test_the_description_refers_to_nothing_that_is_not_there():
    text = json.dumps(DESCRIBED)

    for reference in set(text.split('"$ref": "#/components/')[1:]):
        kind, name = reference.partition('"')[0].split("/")
        assert name in DESCRIBED["components"][kind]
